-- Into the place that a state stands for; the caller saves the job afterwards. The way out is
-- lib.job.leave_state.

local keys = require("lib.core.keys")
local session = require("lib.core.session")

local queue = {}

-- Lowers the instant at which a duty must be looked at.
function queue.due(duty, at)
  redis.call("ZADD", keys.due(), "LT", at, duty)
end

-- Lists a queue, and wakes a worker whose pattern may fit a new one.
function queue.know(s, name)
  if redis.call("ZADD", keys.queues(), "NX", s.now, name) == 1 then
    redis.call("ZADD", keys.new_queues(), 0, "work")
  end
end

function queue.wake(name)
  redis.call("ZADD", keys.wake(name), 0, "work")
end

-- The member of the waiting set: equal scores sort by it, so by age, then by arrival.
function queue.order(s, eligible)
  return struct.pack(">I6I6", math.max(eligible, 0), session.next(s))
end

function queue.eligible_at(record)
  return (struct.unpack(">I6", record.order))
end

-- Makes a job ready; one with throttles may be parked instead.
function queue.add_waiting(s, job, score)
  local record = job.record
  if record.user or record.throttles then
    require("lib.admission.subqueues").enter(s, job, score)
  else
    redis.call("ZADD", keys.waiting(record.queue), score, record.order .. job.jid)
  end
  queue.wake(record.queue)
end

-- By priority, then by the instant at which it became eligible.
function queue.to_waiting(s, job, name, eligible)
  local record = job.record
  record.state, record.queue = "waiting", name
  record.order = queue.order(s, eligible)
  queue.add_waiting(s, job, -(record.priority or 0))
end

-- Back with its old age, as after a release.
function queue.back_to_waiting(s, job)
  local record = job.record
  record.state = "waiting"
  record.order = record.order or queue.order(s, s.now)
  queue.add_waiting(s, job, -(record.priority or 0))
end

-- Ahead of every priority: a lost lease, or a job that was timed out.
function queue.to_front(s, job, state, score)
  local record = job.record
  record.state = state
  record.order = queue.order(s, s.now)
  queue.add_waiting(s, job, score)
end

function queue.to_scheduled(s, job, name, due)
  local record = job.record
  record.state, record.queue, record.due = "scheduled", name, due
  redis.call("ZADD", keys.scheduled(name), due, job.jid)
  queue.due("scheduled:" .. name, due)
  if due - s.now < 2000 then
    queue.wake(name)
  end
end

-- Now or later, as `due` says.
function queue.to_ready(s, job, name, due, eligible)
  if due and due > s.now then
    queue.to_scheduled(s, job, name, due)
  else
    job.record.due = nil
    queue.to_waiting(s, job, name, eligible or due or s.now)
  end
end

function queue.to_depends(s, job, name, due)
  local record = job.record
  record.state, record.queue, record.due = "depends", name, due
  redis.call("ZADD", keys.depends(name), s.now, job.jid)
end

-- Whether the packed pause of a queue, if any, still holds.
function queue.is_paused(s, packed)
  local ends = packed and cmsgpack.unpack(packed)["until"]
  return packed and not (ends and ends <= s.now)
end

return queue
