-- Puts a job into a state: into the place in the keyspace that the state names. The caller saves
-- the job afterwards. lib.job.leave_state is the way out.

local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local session = require("lib.core.session")
local stored = require("lib.core.stored")

local queue = {}

-- Makes a task of maintenance due at an instant, if it is not due earlier.
function queue.set_due(task, at)
  redis.call("ZADD", keys.due(), "LT", at, task)
end

-- Lists a queue. If it is new, wakes a worker whose pattern may match it.
function queue.list(s, name)
  if redis.call("ZADD", keys.queues(), "NX", s.now, name) == 1 then
    redis.call("ZADD", keys.new_queues(), 0, "work")
  end
end

function queue.wake(name)
  redis.call("ZADD", keys.wake(name), "0", "work")
end

-- The head of the member in a set of ready jobs. Equal scores sort by it: by age, then by arrival.
function queue.order(s, eligible)
  return struct.pack(">I6I6", math.max(eligible, 0), session.next(s))
end

function queue.eligible_at(record)
  return stored.ready_at(record.order)
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

-- Puts a job in order of its priority, then of the instant at which it became eligible.
function queue.to_waiting(s, job, name, eligible)
  local record = job.record
  record.state, record.queue, record.ahead = "waiting", name, nil
  record.order = queue.order(s, eligible)
  queue.add_waiting(s, job, -(record.priority or 0))
end

-- Does the same by one command for new jobs of one queue that have neither priorities nor users nor
-- throttles.
function queue.all_to_waiting(s, jobs, name)
  local members = {}
  for i, job in ipairs(jobs) do
    local order = queue.order(s, s.now)
    job.record.state, job.record.order = "waiting", order
    members[2 * i - 1], members[2 * i] = "0", order .. job.jid
  end
  redis.call("ZADD", keys.waiting(name), unpack(members))
  queue.wake(name)
end

local function add_with_order(s, job)
  local record = job.record
  record.state = record.ahead == "timed_out" and "stalled" or "waiting"
  queue.add_waiting(s, job, limits[record.ahead] or -(record.priority or 0))
end

-- Puts a job back to where it stood before it was popped, as after a release.
function queue.back_to_waiting(s, job)
  job.record.order = job.record.order or queue.order(s, s.now)
  add_with_order(s, job)
end

-- Puts a job before every priority, after its lease expired ("reclaimed") or it was timed out
-- ("timed_out").
function queue.to_front(s, job, ahead)
  job.record.order, job.record.ahead = queue.order(s, s.now), ahead
  add_with_order(s, job)
end

function queue.to_scheduled(s, job, name, due)
  local record = job.record
  record.state, record.queue, record.due = "scheduled", name, due
  redis.call("ZADD", keys.scheduled(name), due, job.jid)
  queue.set_due("scheduled:" .. name, due)
  if due - s.now < 2000 then
    queue.wake(name)
  end
end

-- Makes a job ready now, or schedules it for `due`.
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

-- Whether a pause, packed as it is stored or false, still holds.
function queue.is_paused(s, packed)
  local ends = packed and (stored.unpack(packed) or {})["until"]
  return packed and not (ends and ends <= s.now)
end

return queue
