-- Takes a job out of its state: out of the one place in the keyspace that the state names.

local keys = require("lib.core.keys")
local record_lib = require("lib.job.record")

local leave_state = {}

local ONLY_RUNNING = { "worker", "lease", "popped_at", "grace", "handed_off" }

-- Removes what only a running job has.
function leave_state.clear_run(record)
  record_lib.clear(record, ONLY_RUNNING)
end

-- Wakes a worker when a job has left running in a queue with a throttle of its own.
function leave_state.queue_slot_returned(s, queue)
  if redis.call("EXISTS", keys.throttle_record("queue:" .. queue)) == 1 then
    require("lib.admission.holders").wake_queue(s, queue)
  end
end

-- Takes a running job from its worker.
function leave_state.running(s, job)
  local record = job.record
  redis.call("ZREM", keys.running(record.queue), job.jid)
  redis.call("ZREM", keys.worker_jobs(record.worker), job.jid)
  if record.user or record.throttles or record.excused then
    require("lib.admission.holders").return_slots(s, job)
  end
  leave_state.queue_slot_returned(s, record.queue)
  leave_state.clear_run(record)
end

-- Gives up the slots reserved for a job that was refused too often.
local function unreserve(s, job)
  for _, id in ipairs(require("lib.admission.throttles").unreserve(s, job)) do
    require("lib.admission.throttle_wakeup").open(s, id)
  end
end

local function leave_waiting(s, job)
  local record = job.record
  if not record.user and not record.throttles then
    redis.call("ZREM", keys.waiting(record.queue), record.order .. job.jid)
    return
  end
  require("lib.admission.subqueues").leave(job)
  if record.passed then
    unreserve(s, job)
  end
end

local function leave_failed(s, job)
  local record = job.record
  local key = keys.failed_group(record.group)
  redis.call("ZREM", key, job.jid)
  if redis.call("EXISTS", key) == 0 then
    redis.call("ZREM", keys.failed(), record.group)
  end
  require("lib.stats.series").undo_failure(s, record.queue, record.failed_at)
  record.group, record.failed_at = nil, nil
end

local places = {
  waiting = leave_waiting,
  stalled = leave_waiting,
  throttled = leave_waiting,
  scheduled = function(_, job)
    redis.call("ZREM", keys.scheduled(job.record.queue), job.jid)
    job.record.due = nil
  end,
  depends = function(_, job)
    redis.call("ZREM", keys.depends(job.record.queue), job.jid)
  end,
  running = function(s, job)
    leave_state.running(s, job)
  end,
  failed = leave_failed,
  complete = function(_, job)
    redis.call("ZREM", keys.complete(), job.jid)
    job.record.completed_at = nil
  end,
}

-- Takes a job out of any state.
function leave_state.leave(s, job)
  places[job.record.state](s, job)
end

return leave_state
