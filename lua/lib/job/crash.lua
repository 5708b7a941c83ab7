-- Deals with the jobs of a process that died: which of them are charged with a crash, and which has
-- crashed its workers too often (a poison pill).

local cursor = require("lib.core.cursor")
local events = require("lib.core.events")
local failing = require("lib.job.failing")
local history = require("lib.job.history")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local leave_state = require("lib.job.leave_state")
local limits = require("lib.core.limits")
local lists = require("lib.core.lists")
local reclaim = require("lib.job.reclaim")
local stats = require("lib.stats.stats")
local stored = require("lib.core.stored")

local crash = {}

-- Whether the job is held by the process of a worker that this nonce names.
local function is_held_by(job, worker, nonce)
  local record = job.record
  return record.state == "running" and record.worker == worker
    and string.match(record.lease, "^%d+%.(.+)$") == nonce
end

-- Up to `most` of the named jobs that the process holds.
local function held_jobs(jids, worker, nonce, most)
  local found = {}
  for _, job in ipairs(job_lib.find_all(jids)) do
    if #found < most and job and is_held_by(job, worker, nonce) then
      found[#found + 1] = job
    end
  end
  return found
end

-- Adds the jobs of that process among a page of the worker's list to `found`, up to `most`, without
-- those in `known`; returns the position of the last job that was looked at.
local function add_page(found, jids, process, most, known)
  for at = 1, #jids, limits.call do
    local last = math.min(at + limits.call - 1, #jids)
    for i, job in ipairs(job_lib.find_all({ unpack(jids, at, last) })) do
      if job and not known[job.jid] and is_held_by(job, process.worker, process.nonce) then
        found[#found + 1] = job
        if #found >= most then
          return at + i - 1
        end
      end
    end
  end
  return #jids
end

-- Adds jobs on the list of the worker, which its other processes share, so it may be long: the next
-- report of the same death continues where this one ends. Returns whether there may be more.
local function add_listed(found, process, most, known)
  local list, place = keys.worker_jobs(process.worker), keys.death(process.nonce)
  local after = stored.get(place)
  local jids, scores, more = cursor.page(list, after, limits.small_page)
  local last = add_page(found, jids, process, most, known)
  if not more and last == #jids then
    redis.call("DEL", place)
    return false
  end
  redis.call("SET", place, cmsgpack.pack({ scores[last], jids[last] }), "PX", limits.reply)
  return true
end

-- Jobs of that process, as many as one call returns, and whether there may be more. Those that it
-- had started are found wherever they are: in their grace periods they are on no list.
function crash.jobs_of(worker, nonce, started)
  local had_started = held_jobs(started, worker, nonce, limits.housekeeping)
  local most = limits.housekeeping - #had_started
  local found, more = {}, true
  if most > 0 then
    local process = { worker = worker, nonce = nonce }
    more = add_listed(found, process, most, lists.set(started))
  end
  for _, job in ipairs(had_started) do
    found[#found + 1] = job
  end
  return found, more
end

local function limit()
  return tonumber(redis.call("HGET", keys.meta(), "config:max-crashes")) or 3
end

-- Fails a poison pill.
local function fail_poison_pill(s, job, cause)
  local record = job.record
  local worker = record.worker
  leave_state.leave(s, job)
  history.add(job, s, "failed", { group = "poison-pill", worker = worker })
  failing.fail(s, job, "poison-pill", "The worker died " .. record.crashes
    .. " times while it ran this job: " .. cause, worker)
  job_lib.save(job)
end

local function charge(s, job, cause, report)
  local record = job.record
  record.crashes = (record.crashes or 0) + 1
  history.add(job, s, "crashed", { worker = record.worker, cause = cause })
  stats.add(s, record.queue, "crashed", 1)
  -- An expired lease was counted as a retry when it expired.
  if not record.grace then
    stats.add(s, record.queue, "retried", 1)
    stats.add_klass(s, record.klass, "retried", 1)
  end
  if record.crashes >= limit() then
    fail_poison_pill(s, job, cause)
  else
    reclaim.return_charged(s, job, "the worker died while it ran this job: " .. cause)
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
    history.add(job, s, "released")
    reclaim.return_unchanged(s, job)
    job_lib.save(job)
    report.returned[#report.returned + 1] = job.jid
  end
end

return crash
