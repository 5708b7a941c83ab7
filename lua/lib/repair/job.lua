-- Repairs one job by its own record: its place in the keyspace, and what the record claims
-- elsewhere.

local batches = require("lib.batch.batches")
local failing = require("lib.job.failing")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local leave_state = require("lib.job.leave_state")
local limits = require("lib.core.limits")
local queue_lib = require("lib.queue.queue")
local remains = require("lib.job.remains")
local removal = require("lib.job.removal")
local repair_admission = require("lib.repair.admission")
local repair_links = require("lib.repair.links")
local stored = require("lib.core.stored")

local repair_job = {}

local function waiting(s, job)
  local record = job.record
  record.order = record.order or queue_lib.order(s, record.put_at or s.now)
  if record.user or record.state == "throttled" then
    repair_admission.enter_again(s, job)
    return
  end
  local score = redis.call("ZSCORE", keys.waiting(record.queue), record.order .. job.jid)
  if record.state == "stalled" then
    queue_lib.add_waiting(s, job, limits.timed_out)
  elseif record.ahead == "reclaimed" then
    queue_lib.add_waiting(s, job, limits.reclaimed)
  elseif tonumber(score) ~= limits.reclaimed then
    queue_lib.add_waiting(s, job, -(record.priority or 0))
  end
end

-- The end of a lease is taken from the queue, else from the worker; if neither has it, it ends now.
local function running(s, job)
  local record = job.record
  local in_queue = redis.call("ZSCORE", keys.running(record.queue), job.jid)
  local in_worker = redis.call("ZSCORE", keys.worker_jobs(record.worker), job.jid)
  local ends = in_queue or in_worker or string.format("%.0f", s.now)
  redis.call("ZADD", keys.running(record.queue), ends, job.jid)
  if record.grace then
    redis.call("ZREM", keys.worker_jobs(record.worker), job.jid)
  else
    redis.call("ZADD", keys.worker_jobs(record.worker), ends, job.jid)
    redis.call("ZADD", keys.workers(), "NX", s.now, record.worker)
  end
  queue_lib.set_due("leases:" .. record.queue, ends)
  repair_admission.hold_slots(s, job)
end

local places = {
  waiting = waiting,
  stalled = waiting,
  throttled = waiting,
  running = running,
  scheduled = function(s, job)
    queue_lib.to_scheduled(s, job, job.record.queue, job.record.due or s.now)
  end,
  depends = function(s, job)
    repair_links.place(s, job)
  end,
  failed = function(_, job)
    local record = job.record
    redis.call("ZADD", keys.failed_group(record.group), record.failed_at, job.jid)
    redis.call("ZADD", keys.failed(), "GT", record.failed_at, record.group)
  end,
  complete = function(_, job)
    redis.call("ZADD", keys.complete(), job.record.completed_at, job.jid)
  end,
}

-- Lost data cannot be recovered: the job fails, so that somebody sees it.
local function lose_data(s, job)
  job_lib.set_data(job, "")
  if job.record.state ~= "complete" and job.record.state ~= "failed" then
    leave_state.leave(s, job)
    failing.fail(s, job, "lost-data", "The stored data of the job is gone", "")
  end
end

local function data(s, job)
  local record, key = job.record, keys.data(job.jid)
  local size = redis.call("STRLEN", key)
  if not record.apart then
    redis.call("DEL", key)
  elseif size > limits.inline then
    record.apart = size
  elseif size > 0 then
    job_lib.set_data(job, redis.call("GET", key))
  else
    lose_data(s, job)
  end
end

local function tags(s, job)
  for _, tag in ipairs(job.record.tags or {}) do
    redis.call("ZADD", keys.tag(tag), "NX", s.now, job.jid)
    redis.call("ZADD", keys.tags(), redis.call("ZCARD", keys.tag(tag)), tag)
  end
end

local function tracked(s, job)
  if job.record.tracked then
    redis.call("ZADD", keys.tracked(), "NX", s.now, job.jid)
    redis.call("HSET", keys.meta(), "tracking", redis.call("ZCARD", keys.tracked()))
  elseif redis.call("ZSCORE", keys.tracked(), job.jid) then
    removal.untrack(job.jid)
  end
end

local function batch(job)
  local name, state = job.record.batch, job.record.state
  if not name or state == "failed" or state == "complete" then
    return
  end
  local found = redis.call("HMGET", keys.batch_record(name), "opened_at", "finished_at")
  if found[1] and not found[2] then
    batches.join(name, job)
  end
end

-- Numbers that were used must never be used again.
local function sequence(s, record)
  local ordered = record.order and select(2, stored.order(record.order)) or 0
  s.sequence = math.max(s.sequence, record.generation or 0, ordered)
end

function repair_job.run(s, jid)
  local job = job_lib.find(jid)
  if not job then
    remains.delete(jid)
    return
  end
  local record = job.record
  for flag, key in pairs(remains.KEYS) do
    record[flag] = redis.call("EXISTS", key(jid)) == 1 or nil
  end
  data(s, job)
  repair_links.settle(job)
  tags(s, job)
  tracked(s, job)
  batch(job)
  sequence(s, record)
  if places[record.state] then
    places[record.state](s, job)
  end
  job_lib.save(job)
end

return repair_job
