-- Deals with the jobs of a process that died: which of them are charged with a crash, and which has
-- crashed its workers too often (a poison pill).

local events = require("lib.core.events")
local failing = require("lib.job.failing")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local leave_state = require("lib.job.leave_state")
local limits = require("lib.core.limits")
local reclaim = require("lib.job.reclaim")
local stats = require("lib.stats.stats")

local crash = {}

-- Whether the job is held by the process of a worker that this nonce names.
local function is_held_by(job, worker, nonce)
  local record = job.record
  return record.state == "running" and record.worker == worker
    and string.match(record.lease, "^%d+%.(.+)$") == nonce
end

-- Those of the started jobs that are in their grace periods, and so no longer in the list of the
-- worker.
local function started_in_grace(worker, nonce, started)
  local missing, found = {}, {}
  for _, jid in ipairs(started) do
    if not redis.call("ZSCORE", keys.worker_jobs(worker), jid) then
      missing[#missing + 1] = jid
    end
  end
  for _, job in ipairs(job_lib.find_all(missing)) do
    if job and is_held_by(job, worker, nonce) then
      found[#found + 1] = job
    end
  end
  return found
end

-- The jobs of that process, no more than one call may touch, and whether there are more. Other
-- processes of the worker share its list of jobs, which may be long.
function crash.jobs_of(worker, nonce, started)
  local found = started_in_grace(worker, nonce, started)
  for at = 0, limits.page - 1, limits.call do
    local jids = redis.call("ZRANGE", keys.worker_jobs(worker), at, at + limits.call - 1)
    for _, job in ipairs(job_lib.find_all(jids)) do
      if job and is_held_by(job, worker, nonce) then
        if #found >= limits.call then
          return found, true
        end
        found[#found + 1] = job
      end
    end
  end
  return found, false
end

local function limit()
  return tonumber(redis.call("HGET", keys.meta(), "config:max-crashes") or 3)
end

-- Fails a poison pill.
local function fail_poison_pill(s, job, cause)
  local record = job.record
  local worker = record.worker
  leave_state.leave(s, job)
  job_lib.add_history(job, s, "failed", { group = "poison-pill", worker = worker })
  failing.fail(s, job, "poison-pill", "The worker died " .. record.crashes
    .. " times while it ran this job: " .. cause, worker)
  job_lib.save(job)
end

local function charge(s, job, cause, report)
  local record = job.record
  record.crashes = (record.crashes or 0) + 1
  job_lib.add_history(job, s, "crashed", { worker = record.worker, cause = cause })
  -- An expired lease was counted as a retry when it expired.
  if not record.grace then
    stats.add(s, record.queue, "retried", 1)
  end
  if record.crashes >= limit() then
    fail_poison_pill(s, job, cause)
  else
    reclaim.return_charged(s, job)
  end
  local list = job.record.state == "failed" and report.failed or report.charged
  list[#list + 1] = job.jid
end

-- Deals with one job of the dead process and enters it in the report. `death.started` holds the
-- jids that were being run; without it all of them were.
function crash.handle(s, job, death, report)
  events.lost(s, job, "lock_lost")
  if not death.started or death.started[job.jid] then
    charge(s, job, death.cause, report)
  else
    job_lib.add_history(job, s, "released")
    reclaim.return_unchanged(s, job)
    job_lib.save(job)
    report.returned[#report.returned + 1] = job.jid
  end
end

return crash
