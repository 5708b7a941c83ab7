-- Repairs what decides which jobs may run: subqueues, their users, and throttles.

local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local lists = require("lib.core.lists")
local queue_lib = require("lib.queue.queue")
local settings = require("lib.admission.throttle_settings")
local subqueues = require("lib.admission.subqueues")
local throttle_wakeup = require("lib.admission.throttle_wakeup")
local throttles = require("lib.admission.throttles")

local repair_admission = {}

-- The queue, user and gate in the name of a subqueue.
local function parts(name)
  return string.match(name, "^([^/]*)/([^/]*)/(.*)$")
end

function repair_admission.key(name)
  return subqueues.key(parts(name))
end

local READY = { waiting = true, stalled = true, throttled = true }

function repair_admission.is_of(record, name)
  local queue, user, gate = parts(name)
  return READY[record.state] and record.queue == queue and (record.user or "") == user
    and (record.gate or "") == gate
end

-- Removes the entries of a subqueue that has become empty.
function repair_admission.left(_, name)
  local queue, user, gate = parts(name)
  if redis.call("EXISTS", subqueues.key(queue, user, gate)) == 0 then
    subqueues.remove_empty(queue, user, gate)
  end
end

-- A user takes part while its subqueue has jobs; one that slept is considered again.
function repair_admission.user(s, name, user)
  local queue, gate = string.match(name, "^([^/]*)/(.*)$")
  if redis.call("EXISTS", subqueues.key(queue, user, gate)) == 0 or user .. gate == "" then
    subqueues.remove_empty(queue, user, gate)
    return
  end
  redis.call("ZADD", keys.queue_users(queue, gate), 0, user)
  if gate ~= "" then
    redis.call("ZADD", keys.open(queue), s.now_text, gate)
  end
  queue_lib.wake(queue)
end

-- A throttle lists a queue while jobs are parked there.
function repair_admission.parking(s, id, queue)
  if redis.call("EXISTS", keys.queue_users(queue, id)) == 1 then
    redis.call("ZADD", keys.throttle_queues(id), "NX", s.now_text, queue)
    queue_lib.set_due("throttle:" .. id, s.now)
  else
    redis.call("ZREM", keys.throttle_queues(id), queue)
    redis.call("ZREM", keys.open(queue), id)
  end
end

-- A throttle is open in a queue only while jobs are parked there; one that slept is considered
-- again.
function repair_admission.opened(s, queue, id)
  if redis.call("EXISTS", keys.queue_users(queue, id)) == 1 then
    redis.call("ZADD", keys.open(queue), s.now_text, id)
    queue_lib.wake(queue)
  else
    redis.call("ZREM", keys.open(queue), id)
  end
end

function repair_admission.throttle(s, id)
  if redis.call("EXISTS", keys.throttle_record(id)) == 1 then
    redis.call("ZADD", keys.throttles(), "NX", s.now_text, id)
  end
end

function repair_admission.fair(s, queue)
  subqueues.mark_fair(s, queue)
  redis.call("ZADD", keys.fair_queues(), "NX", s.now_text, queue)
end

-- A user with a setting is listed, and no other.
function repair_admission.setting(s, user)
  settings.list_user(s, user)
end

-- Room is reserved only for a job that waits for it.
function repair_admission.reserved(s, jid, id)
  local entry = throttles.get(s, id)
  local reserved = entry.record and entry.record.reserved
  local job = job_lib.find(jid)
  local waits = job and READY[job.record.state] and lists.contains(job.record.throttles, id)
  if reserved and reserved.jid == jid and not waits then
    throttles.set_reservation(entry, nil)
    throttle_wakeup.open(s, id)
  end
end

-- A queue lists the throttles that are reserved for its jobs.
function repair_admission.reserving(s, queue, id)
  local record = throttles.get(s, id).record
  local reserved = record and record.reserved
  if reserved and reserved.queue == queue then
    redis.call("ZADD", keys.reserving(queue), reserved["until"], id)
  else
    redis.call("ZREM", keys.reserving(queue), id)
  end
end

local function holds(record, id)
  if record.state ~= "running" or lists.contains(record.excused, id) then
    return false
  end
  return lists.contains(throttles.held_by(record), id)
end

repair_admission.holds = holds

function repair_admission.is_excused(record, id)
  return record.state == "running" and id == "queue:" .. record.queue
    and lists.contains(record.excused, id)
end

function repair_admission.slot_returned(s, id)
  throttle_wakeup.slot_returned(s, id)
end

-- A running job holds a slot of each of its throttles, and of its user.
function repair_admission.hold_slots(s, job)
  for _, id in ipairs(throttles.held_by(job.record)) do
    if holds(job.record, id) then
      redis.call("ZADD", keys.holders(id), "NX", s.now_text, job.jid)
    end
  end
end

-- Enters a ready job again, also a parked one: its next turn decides where it belongs. A score that
-- carries more than the priority is kept.
function repair_admission.enter_again(s, job)
  local record = job.record
  local score = tonumber(subqueues.score(job))
  local stands_out = score == limits.reclaimed or score == tonumber(limits.timed_out)
  if record.state == "stalled" then
    score = limits.timed_out
  elseif not stands_out then
    score = -(record.priority or 0)
  end
  subqueues.leave(job)
  subqueues.enter(s, job, score)
end

return repair_admission
