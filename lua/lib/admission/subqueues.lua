-- Subqueues: where ready jobs wait that have a user or throttles. A subqueue holds the jobs of one
-- user of one queue that are parked on one throttle (their gate), or on none (""). Jobs with
-- neither user nor gate are in the waiting set of the queue, which serves as the subqueue of no
-- user.

local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local session = require("lib.core.session")

local subqueues = {}

function subqueues.key(queue, user, gate)
  if user == "" and gate == "" then
    return keys.waiting(queue)
  end
  return keys.subqueue(queue, user, gate)
end

-- Marks a queue as fair: pop chooses its jobs. In other queues it takes them in plain order.
function subqueues.mark_fair(s, queue)
  s.marked_queues = s.marked_queues or {}
  if not s.marked_queues[queue] then
    if redis.call("HSETNX", keys.meta(), "fair:" .. queue, "0") == 1 then
      redis.call("ZADD", keys.fair_queues(), s.now_text, queue)
    end
    s.marked_queues[queue] = true
  end
end

-- Whether jobs of the queue are parked on a throttle that is not known to have room.
function subqueues.is_shut(queue, id)
  return redis.call("EXISTS", keys.queue_users(queue, id)) == 1
    and not redis.call("ZSCORE", keys.open(queue), id)
end

-- A lower bound of the virtual time at which the next job of a user starts.
function subqueues.start(queue, user)
  return redis.call("ZSCORE", keys.finish(queue), user) or 0
end

local function index_parked(s, job, gate)
  redis.call("ZADD", keys.throttled(job.record.queue), s.now_text, job.jid)
  redis.call("ZADD", keys.parked(gate), s.now_text, job.jid)
  redis.call("ZADD", keys.throttle_queues(gate), "NX", session.next(s), job.record.queue)
end

-- Puts a job into the subqueue of a gate and sets its state; the caller saves it.
function subqueues.place(s, job, score, gate)
  local record = job.record
  local queue, user = record.queue, record.user or ""
  local member = record.order .. job.jid
  redis.call("ZADD", subqueues.key(queue, user, gate), score, member)
  if gate ~= "" then
    record.state, record.gate = "throttled", gate
    index_parked(s, job, gate)
  else
    record.state, record.gate = tonumber(score) == -math.huge and "stalled" or "waiting", nil
    if user ~= "" then
      redis.call("ZADD", keys.shared(queue), score, member)
    end
  end
  if gate ~= "" then
    -- This wakes a subqueue that sleeps because all its jobs cost too much.
    redis.call("ZADD", keys.queue_users(queue, gate), subqueues.start(queue, user), user)
  elseif user ~= "" then
    redis.call("ZADD", keys.queue_users(queue, gate), "NX", subqueues.start(queue, user), user)
  end
end

-- Makes a job ready. If jobs of the queue are parked on one of its throttles it is parked behind
-- them, so that many jobs at one limit do not slow down the others.
function subqueues.enter(s, job, score)
  local record = job.record
  subqueues.mark_fair(s, record.queue)
  for _, id in ipairs(record.throttles or {}) do
    if subqueues.is_shut(record.queue, id) then
      subqueues.place(s, job, score, id)
      return
    end
  end
  subqueues.place(s, job, score, "")
end

-- Removes the entries of an empty subqueue: its user's, and that of a gate without users.
function subqueues.remove_empty(queue, user, gate)
  redis.call("ZREM", keys.queue_users(queue, gate), user)
  if gate ~= "" and redis.call("EXISTS", keys.queue_users(queue, gate)) == 0 then
    redis.call("ZREM", keys.open(queue), gate)
    redis.call("ZREM", keys.throttle_queues(gate), queue)
  end
end

-- Takes a job out of its subqueue.
function subqueues.leave(job)
  local record = job.record
  local queue, user, gate = record.queue, record.user or "", record.gate or ""
  local key, member = subqueues.key(queue, user, gate), record.order .. job.jid
  redis.call("ZREM", key, member)
  if gate ~= "" then
    redis.call("ZREM", keys.throttled(queue), job.jid)
    redis.call("ZREM", keys.parked(gate), job.jid)
    record.gate = nil
  elseif user ~= "" then
    redis.call("ZREM", keys.shared(queue), member)
  end
  if (user ~= "" or gate ~= "") and redis.call("EXISTS", key) == 0 then
    subqueues.remove_empty(queue, user, gate)
  end
end

-- The score of a job in its subqueue, or false.
function subqueues.score(job)
  local record = job.record
  local key = subqueues.key(record.queue, record.user or "", record.gate or "")
  return redis.call("ZSCORE", key, record.order .. job.jid)
end

-- Moves a job within its subqueue by its priority. Jobs that stand before every priority stay
-- there.
function subqueues.reorder(job)
  local record = job.record
  local user, gate = record.user or "", record.gate or ""
  local score = tonumber(subqueues.score(job))
  if not score or score <= limits.reclaimed then
    return
  end
  local member, wanted = record.order .. job.jid, -(record.priority or 0)
  redis.call("ZADD", subqueues.key(record.queue, user, gate), wanted, member)
  if user ~= "" and gate == "" then
    redis.call("ZADD", keys.shared(record.queue), wanted, member)
  end
end

-- Removes the mark of a fair queue, unless it is needed.
function subqueues.unmark_fair(queue)
  if redis.call("EXISTS", keys.waiting(queue), keys.shared(queue), keys.throttled(queue),
    keys.throttle_record("queue:" .. queue)) == 0 then
    redis.call("HDEL", keys.meta(), "fair:" .. queue)
    redis.call("ZREM", keys.fair_queues(), queue)
    redis.call("UNLINK", keys.finish(queue))
  end
end

-- Whether anything in a queue may be ready to run.
function subqueues.has_work(queue)
  return redis.call("EXISTS", keys.waiting(queue), keys.shared(queue), keys.open(queue)) > 0
end

return subqueues
