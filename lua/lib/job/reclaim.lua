-- Takes jobs back from workers. When a lease expires for the first time the worker gets a grace
-- period; after that, or without grace, the job returns to the front of its queue and loses a
-- retry.

local events = require("lib.core.events")
local failing = require("lib.job.failing")
local history = require("lib.job.history")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local leave_state = require("lib.job.leave_state")
local queue_lib = require("lib.queue.queue")
local stats = require("lib.stats.stats")

local reclaim = {}

local function adjust_unique(s, job)
  if job.record.unique then
    require("lib.job.unique").adjust(s, job)
  end
end

-- Puts the job at the front of its queue, or fails it when no retry is left; the failure then names
-- the cause, if one is given. It has cost a retry.
function reclaim.return_charged(s, job, cause)
  local record = job.record
  local worker, left = record.worker, job_lib.retries_left(job) - 1
  leave_state.leave(s, job)
  job_lib.set_retries_left(job, left)
  if left < 0 then
    failing.exhaust(s, job, { cause = cause }, worker)
  else
    queue_lib.to_front(s, job, "reclaimed")
    adjust_unique(s, job)
  end
  job_lib.save(job)
end

-- Returns a job to its queue as if it had not been leased: to its former place, with its retries.
function reclaim.return_unchanged(s, job)
  leave_state.leave(s, job)
  queue_lib.back_to_waiting(s, job)
  adjust_unique(s, job)
end

local function record_expiry(s, job)
  history.add(job, s, "timed-out", { worker = job.record.worker, reason = "lost lease" })
  job.record.stalls = (job.record.stalls or 0) + 1
  stats.add(s, job.record.queue, "retried", 1)
  stats.add_klass(s, job.record.klass, "retried", 1)
  stats.add(s, job.record.queue, "stalled", 1)
  events.tracked(s, "stalled", job)
  events.lost(s, job, "lock_lost")
end

local function expire_lease(s, job, grace)
  local record = job.record
  if record.grace then
    reclaim.return_charged(s, job)
    return
  end
  record_expiry(s, job)
  if grace <= 0 then
    reclaim.return_charged(s, job)
    return
  end
  record.grace = true
  redis.call("ZREM", keys.worker_jobs(record.worker), job.jid)
  redis.call("ZADD", keys.running(record.queue), s.now + grace, job.jid)
  job_lib.save(job)
end

-- Deals with at most `budget` expired leases of a queue; returns the budget that is left.
function reclaim.run(s, queue, budget)
  local key = keys.running(queue)
  local jids = redis.call("ZRANGEBYSCORE", key, "-inf", s.now, "LIMIT", 0, budget)
  if #jids == 0 then
    return budget
  end
  local seconds = tonumber(redis.call("HGET", keys.meta(), "config:grace-period")) or 10
  local grace = math.floor(seconds * 1000)
  for i, job in ipairs(job_lib.find_all(jids)) do
    if job and job.record.state == "running" then
      expire_lease(s, job, grace)
    else
      redis.call("ZREM", key, jids[i])
    end
  end
  return budget - #jids
end

return reclaim
