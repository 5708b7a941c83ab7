-- Jobs of a process that died: who pays, and which job kills whoever runs it.

local events = require("lib.events")
local failing = require("lib.failing")
local job_lib = require("lib.job")
local keys = require("lib.keys")
local leaving = require("lib.leaving")
local reclaim = require("lib.reclaim")
local stats = require("lib.stats")

local crash = {}

-- Whether the job is held by that start of a worker.
function crash.is_of(job, nonce)
  local lease = job.record.lease
  return job.record.state == "running" and string.sub(lease, -#nonce - 1) == "." .. nonce
end

local function limit()
  return tonumber(redis.call("HGET", keys.meta(), "config:max-crashes") or 3)
end

-- A poison pill: it has ended its worker too often.
local function poison(s, job, cause)
  local record = job.record
  local worker = record.worker
  leaving.from_place(s, job)
  job_lib.note(job, s, "failed", { group = "poison-pill", worker = worker })
  failing.fail(s, job, "poison-pill", "The worker died " .. record.crashes
    .. " times while it ran this job: " .. cause, worker)
  job_lib.save(job)
end

local function charge(s, job, cause, report)
  local record = job.record
  record.crashes = (record.crashes or 0) + 1
  job_lib.note(job, s, "crashed", { worker = record.worker, cause = cause })
  stats.add(s, record.queue, "retried", 1)
  if record.crashes >= limit() then
    poison(s, job, cause)
  else
    reclaim.give_back(s, job)
  end
  local list = job.record.state == "failed" and report.failed or report.charged
  list[#list + 1] = job.jid
end

-- Deals with one job of the dead process and enters it in the report.
function crash.handle(s, job, death, report)
  events.lost(s, job, "lock_lost")
  if death.started == "" or death.started == job.jid then
    charge(s, job, death.cause, report)
  else
    job_lib.note(job, s, "released")
    reclaim.hand_back(s, job)
    job_lib.save(job)
    report.returned[#report.returned + 1] = job.jid
  end
end

return crash
