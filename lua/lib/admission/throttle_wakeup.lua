-- Gives parked jobs their chance when a throttle has room again, or may have. What is too much for
-- one call is done in steps by the task `throttle:<id>` of maintenance.

local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local queue_lib = require("lib.queue.queue")
local session = require("lib.core.session")
local subqueues = require("lib.admission.subqueues")
local throttles = require("lib.admission.throttles")

local throttle_wakeup = {}

-- The queues of a throttle are ordered by when it was last opened in them. Sequence numbers are
-- used, as several can be opened in one millisecond. A throttle that is open already keeps its
-- turn.
local function open_in(s, id, queue)
  redis.call("ZADD", keys.open(queue), "LT", s.now_text, id)
  redis.call("ZADD", keys.throttle_queues(id), "XX", session.next(s), queue)
  queue_lib.wake(queue)
end

-- Lets a subqueue take part again that was left out, unless it is empty.
local function wake_subqueue(s, queue, user, gate)
  redis.call("ZADD", keys.queue_users(queue, gate), "XX", subqueues.start(queue, user), user)
  if gate ~= "" then
    redis.call("ZADD", keys.open(queue), "XX", "LT", s.now_text, gate)
  end
  queue_lib.wake(queue)
end

-- Whether a user may start no job now. Its subqueues are then left asleep: the next pops would only
-- put them to sleep again, and the task would never be done.
local function is_user_closed(s, id)
  local reason, at = throttles.refusal(s, throttles.get(s, id), "", 1)
  if at then
    throttles.check_again_at(s, id, at)
  end
  return reason
end

-- Wakes at most `budget` subqueues of a user that was at its limit; returns whether that was all.
local function wake_user(s, id, budget)
  if is_user_closed(s, id) then
    return true
  end
  local asleep = redis.call("SPOP", keys.capped(id), budget)
  table.sort(asleep)
  for _, entry in ipairs(asleep) do
    local queue, gate = string.match(entry, "^([^/]+)/(.*)$")
    wake_subqueue(s, queue, throttles.user_of(id), gate)
  end
  return #asleep < budget
end

-- Whether the first job of a subqueue costs more than its throttle can hold.
local function is_too_costly(s, queue, user, id)
  local member = redis.call("ZRANGE", subqueues.key(queue, user, id), 0, 0)[1]
  local job = member and job_lib.find(string.sub(member, 13))
  return job and throttles.cost(job.record, id) > throttles.burst(s, id)
end

-- Wakes subqueues that a throttle has put to sleep since their jobs cost too much, unless they
-- still do. `record.waking` is where the next call continues. Returns whether that was all.
local function wake_affordable(s, id, budget)
  local entry = throttles.get(s, id)
  if entry.record and not entry.record.waking then
    return true
  end
  local cursor = entry.record and entry.record.waking or "0"
  local found = redis.call("SSCAN", keys.capped(id), cursor, "COUNT", budget)
  table.sort(found[2])
  for _, sleeper in ipairs(found[2]) do
    local queue, user = string.match(sleeper, "^([^/]+)/(.*)$")
    if not is_too_costly(s, queue, user, id) then
      redis.call("SREM", keys.capped(id), sleeper)
      wake_subqueue(s, queue, user, id)
    end
  end
  if entry.record then
    entry.record.waking, entry.is_changed = found[1] ~= "0" and found[1] or nil, true
  end
  return found[1] == "0"
end

local function wake_subqueues(s, id, budget)
  if throttles.user_of(id) then
    return wake_user(s, id, budget)
  end
  return wake_affordable(s, id, budget)
end

-- Opens a throttle in the queue of the job that it is reserved for, and in those where it was
-- opened longest ago; the task opens the others.
local function open_queues(s, id)
  if throttles.is_closed(s, throttles.get(s, id)) then
    return
  end
  local queues = redis.call("ZRANGE", keys.throttle_queues(id), 0, limits.openings)
  local entry, number = throttles.get(s, id), session.next(s)
  local reserved = entry.record and entry.record.reserved
  if reserved and redis.call("ZSCORE", keys.throttle_queues(id), reserved.queue) then
    open_in(s, id, reserved.queue)
  end
  for i = 1, math.min(#queues, limits.openings) do
    open_in(s, id, queues[i])
  end
  if #queues > limits.openings and entry.record then
    entry.record.opening, entry.is_changed = number, true
    queue_lib.set_due("throttle:" .. id, s.now)
  end
end

-- Opens a throttle that may have room, in no more than a few queues.
function throttle_wakeup.open(s, id)
  local queue = throttles.queue_of(id)
  if queue then
    queue_lib.wake(queue)
  elseif throttles.user_of(id) then
    if not wake_user(s, id, limits.openings) then
      queue_lib.set_due("throttle:" .. id, s.now)
    end
  else
    open_queues(s, id)
  end
end

-- Considers all parked jobs again after a change of settings, since those may now be affordable.
function throttle_wakeup.settings_changed(s, id)
  local entry = throttles.get(s, id)
  if entry.record and redis.call("EXISTS", keys.capped(id)) == 1 then
    entry.record.waking, entry.is_changed = "0", true
  end
  throttle_wakeup.open(s, id)
  if redis.call("EXISTS", keys.throttle_queues(id), keys.capped(id)) > 0 then
    queue_lib.set_due("throttle:" .. id, s.now)
  end
end

-- Opens throttles with slots reserved for jobs of a queue that was paused: others may use them now.
function throttle_wakeup.queue_paused(s, queue)
  for i, id in ipairs(redis.call("ZRANGE", keys.reserving(queue), 0, limits.call - 1)) do
    if i <= limits.openings then
      throttle_wakeup.open(s, id)
    else
      queue_lib.set_due("throttle:" .. id, s.now)
    end
  end
end

-- Opens a throttle after a job has returned its slot.
function throttle_wakeup.slot_returned(s, id)
  s.opened_throttles = s.opened_throttles or {}
  if s.opened_throttles[id]
    or redis.call("EXISTS", keys.throttle_queues(id), keys.capped(id)) == 0 then
    return
  end
  local entry = throttles.get(s, id)
  -- After a limit was lowered there may still be no room; then a later returned slot opens the
  -- throttle.
  if throttles.is_closed(s, entry) then
    return
  end
  s.opened_throttles[id] = true
  if not entry.record or entry.record.concurrency then
    throttle_wakeup.open(s, id)
  end
end

local function unpark(s, job, id)
  local queue, score = job.record.queue, tonumber(subqueues.score(job)) or 0
  if subqueues.is_shut(queue, id) then
    open_in(s, id, queue)
  end
  subqueues.leave(job)
  subqueues.enter(s, job, score >= limits.costly and -(job.record.priority or 0) or score)
  job_lib.save(job)
  local gate = job.record.gate
  if gate and throttles.is_reserved_for(s, gate, job) then
    queue_lib.set_due("throttle:" .. gate, s.now)
  end
end

-- Moves parked jobs out of their subqueues when the throttle has no limit any more; returns whether
-- all were moved.
local function drain(s, id, budget)
  local jids = redis.call("ZRANGE", keys.parked(id), 0, budget - 1)
  for i, job in ipairs(job_lib.find_all(jids)) do
    if job and job.record.state == "throttled" and job.record.gate == id then
      unpark(s, job, id)
    else
      redis.call("ZREM", keys.parked(id), jids[i])
    end
  end
  return #jids < budget
end

-- Removes what has ended by now, and returns whether anything had; a throttle that limits nothing
-- is deleted.
local function expire(s, id)
  local entry = throttles.get(s, id)
  local record, has_ended = entry.record, false
  if record.blocked_until and record.blocked_until <= s.now then
    record.blocked_until, record.blocked_for, has_ended = nil, nil, true
  end
  if record.reserved and record.reserved["until"] <= s.now then
    throttles.set_reservation(entry, nil)
    has_ended = true
  end
  if record.again and record.again <= s.now then
    record.again, has_ended = nil, true
  end
  entry.is_changed = entry.is_changed or has_ended
  if not record.blocked_until and not throttles.is_limited(record) then
    throttles.set(s, id, nil)
  end
  return has_ended
end

-- Continues to open the throttle in many queues; returns whether it is done, which it also is when
-- the room is used up again.
local function continue_opening(s, id, budget)
  local entry = throttles.get(s, id)
  if throttles.is_closed(s, entry) then
    budget = 0
  end
  local queues = redis.call("ZRANGEBYSCORE", keys.throttle_queues(id), "-inf",
    "(" .. string.format("%.0f", entry.record.opening), "LIMIT", 0, budget)
  for _, queue in ipairs(queues) do
    open_in(s, id, queue)
  end
  if #queues < budget or budget == 0 then
    entry.record.opening, entry.is_changed = nil, true
  end
  return not entry.record.opening
end

-- What has ended (`has_ended`) may have made room for queues that were shut again since the round
-- of openings in progress began, so another round begins.
local function step(s, id, budget, has_ended)
  local entry = throttles.get(s, id)
  local is_done = wake_subqueues(s, id, budget)
  if throttles.queue_of(id) then
    queue_lib.wake(throttles.queue_of(id))
  elseif not entry.record then
    return drain(s, id, budget) and is_done
  elseif entry.record.opening and not has_ended then
    return continue_opening(s, id, budget) and is_done
  else
    open_queues(s, id)
  end
  return is_done and not (entry.record and entry.record.opening)
end

local function earliest(s, record)
  if not record then
    return nil
  end
  local reserved = record.reserved
  local at = math.min(record.blocked_until or math.huge, record.again or math.huge,
    reserved and reserved["until"] or math.huge)
  return at < math.huge and math.max(at, s.now + 1) or nil
end

-- Performs the task: opens the throttle, or continues to. Returns the instant at which it is due
-- again.
function throttle_wakeup.perform(s, id, budget)
  local has_ended = throttles.get(s, id).record and expire(s, id)
  if not step(s, id, budget, has_ended) then
    return s.now
  end
  return earliest(s, throttles.get(s, id).record)
end

return throttle_wakeup
