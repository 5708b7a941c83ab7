-- Brings in line what decides who may run: lanes, those who take part in them, and throttles.

local holders = require("lib.holders")
local job_lib = require("lib.job")
local keys = require("lib.keys")
local lanes = require("lib.lanes")
local limits = require("lib.limits")
local opening = require("lib.opening")
local queue_lib = require("lib.queue")
local settings = require("lib.throttle_settings")
local throttles = require("lib.throttles")

local mend_lanes = {}

-- Queue, user and gate of a lane.
local function parts(name)
  return string.match(name, "^([^/]*)/([^/]*)/(.*)$")
end

function mend_lanes.key(name)
  return lanes.key(parts(name))
end

local READY = { waiting = true, stalled = true, throttled = true }

function mend_lanes.is_of(record, name)
  local queue, user, gate = parts(name)
  return READY[record.state] and record.queue == queue and (record.user or "") == user
    and (record.gate or "") == gate
end

-- An entry has left a lane, which may be empty now.
function mend_lanes.left(_, name)
  local queue, user, gate = parts(name)
  if redis.call("EXISTS", lanes.key(queue, user, gate)) == 0 then
    lanes.vacate(queue, user, gate)
  end
end

-- A user takes part while there are jobs in the lane; one that slept has a look.
function mend_lanes.user(s, name, user)
  local queue, gate = string.match(name, "^([^/]*)/(.*)$")
  if redis.call("EXISTS", lanes.key(queue, user, gate)) == 0 or user .. gate == "" then
    lanes.vacate(queue, user, gate)
    return
  end
  redis.call("ZADD", keys.sharers(queue, gate), 0, user)
  if gate ~= "" then
    redis.call("ZADD", keys.open(queue), s.stamp, gate)
  end
  queue_lib.wake(queue)
end

-- A queue is among those of a throttle while it has jobs parked on it.
function mend_lanes.parking(s, id, queue)
  if redis.call("EXISTS", keys.sharers(queue, id)) == 1 then
    redis.call("ZADD", keys.gated(id), "NX", s.stamp, queue)
    queue_lib.due("throttle:" .. id, s.now)
  else
    redis.call("ZREM", keys.gated(id), queue)
    redis.call("ZREM", keys.open(queue), id)
  end
end

-- A throttle is open for a queue only while jobs are parked there; one that slept has a look.
function mend_lanes.opened(s, queue, id)
  if redis.call("EXISTS", keys.sharers(queue, id)) == 1 then
    redis.call("ZADD", keys.open(queue), s.stamp, id)
    queue_lib.wake(queue)
  else
    redis.call("ZREM", keys.open(queue), id)
  end
end

function mend_lanes.throttle(s, id)
  if redis.call("EXISTS", keys.throttle(id)) == 1 then
    redis.call("ZADD", keys.throttles(), "NX", s.stamp, id)
  end
end

function mend_lanes.fair(s, queue)
  lanes.mark(s, queue)
  redis.call("ZADD", keys.fair_queues(), "NX", s.stamp, queue)
end

-- A user with a setting is listed, and no other.
function mend_lanes.setting(s, user)
  settings.list_user(s, user)
end

local function contains(list, wanted)
  for _, value in ipairs(list or {}) do
    if value == wanted then
      return true
    end
  end
  return false
end

-- Room is kept only for a job that waits for it.
function mend_lanes.reserved(s, jid, id)
  local entry = throttles.get(s, id)
  local reserved = entry.record and entry.record.reserved
  local job = job_lib.find(jid)
  local waits = job and READY[job.record.state] and contains(job.record.throttles, id)
  if reserved and reserved.jid == jid and not waits then
    entry.record.reserved, entry.is_changed = nil, true
    opening.open(s, id)
  end
end

local function holds(record, id)
  if record.state ~= "running" or contains(record.excused, id) then
    return false
  end
  return contains(holders.ids(record), id)
end

mend_lanes.holds = holds

function mend_lanes.is_excused(record, id)
  return record.state == "running" and id == "queue:" .. record.queue
    and contains(record.excused, id)
end

function mend_lanes.let_go(s, id)
  opening.slot(s, id)
end

-- A running job holds each of its throttles, and that of its user.
function mend_lanes.hold(s, job)
  for _, id in ipairs(holders.ids(job.record)) do
    if holds(job.record, id) then
      redis.call("ZADD", keys.holders(id), "NX", s.stamp, job.jid)
    end
  end
end

-- Ready jobs are put in line anew, a parked one as well: its turn tells where it belongs. The
-- score is kept where it says more than the priority.
function mend_lanes.line_up(s, job)
  local record = job.record
  local score = tonumber(lanes.score(job))
  local stands_out = score == limits.reclaimed or score == tonumber(limits.timed_out)
  if record.state == "stalled" then
    score = limits.timed_out
  elseif not stands_out then
    score = -(record.priority or 0)
  end
  lanes.leave(job)
  lanes.enter(s, job, score)
end

return mend_lanes
