-- What any pop does for the whole namespace before it takes work: lapsed leases, due jobs, due
-- recurring jobs, ended pauses, releases, retention. `due` holds for each duty a lower bound of
-- the instant at which it has something to do.

local job_lib = require("lib.job")
local keys = require("lib.keys")
local limits = require("lib.limits")
local queue_lib = require("lib.queue")
local session = require("lib.session")

local duties = {}

local ABREAST = 10

-- The least score of a set, or nil.
local function earliest(key)
  return tonumber(redis.call("ZRANGE", key, 0, 0, "WITHSCORES")[2])
end

local function promote(s, queue, budget)
  local key = keys.scheduled(queue)
  local due = redis.call("ZRANGEBYSCORE", key, "-inf", s.now, "LIMIT", 0, budget)
  for i, job in ipairs(job_lib.find_all(due)) do
    redis.call("ZREM", key, due[i])
    if job and job.record.state == "scheduled" then
      local at = job.record.due
      job.record.due = nil
      queue_lib.to_waiting(s, job, queue, at)
      job_lib.save(job)
    end
  end
  return budget - #due
end

local function end_pause(s, queue)
  local field = "paused:" .. queue
  local packed = redis.call("HGET", keys.meta(), field)
  local pause = packed and cmsgpack.unpack(packed)
  local ends = pause and pause["until"]
  if ends and ends <= s.now then
    redis.call("HDEL", keys.meta(), field)
    queue_lib.wake(queue)
    session.publish(s, "log", '{"event":"unpaused","queue":"' .. queue .. '"}')
    return nil
  end
  return ends
end

-- Each does at most `budget` items and returns when it wants to be looked at again, or nil.
local kinds = {
  leases = function(s, queue, budget)
    require("lib.reclaim").run(s, queue, budget)
    return earliest(keys.running(queue))
  end,
  scheduled = function(s, queue, budget)
    promote(s, queue, budget)
    return earliest(keys.scheduled(queue))
  end,
  recurring = function(s, queue, budget)
    require("lib.recurrence").make_due(s, queue, budget)
    local slot = earliest(keys.slots(queue))
    return slot and slot < math.huge and slot or nil
  end,
  pause = function(s, queue)
    return end_pause(s, queue)
  end,
  releases = function(s, _, budget)
    require("lib.releases").drain(s, budget)
    return earliest(keys.releases())
  end,
  sweep = function(s, _, budget)
    return s.now + (require("lib.retention").sweep(s, budget) > 0 and 60000 or 0)
  end,
  rewind = function(s, _, budget)
    return not require("lib.rewind").step(s, budget) and s.now or nil
  end,
}

local function perform(s, duty, budget)
  local kind, queue = string.match(duty, "^(%l+):?(.*)$")
  local again = kinds[kind] and kinds[kind](s, queue, budget)
  if again then
    redis.call("ZADD", keys.due(), again, duty)
  else
    redis.call("ZREM", keys.due(), duty)
  end
end

local function next_due(s, at)
  return at and math.max(at - s.now, 0) or nil
end

-- Does what is due, within the bounds of one call. Returns the milliseconds until something
-- becomes due (0: there is more to do now), or nil.
function duties.run(s)
  local found = redis.call("ZRANGE", keys.due(), 0, ABREAST - 1, "WITHSCORES")
  local first = tonumber(found[2])
  if not first or first > s.now then
    return next_due(s, first)
  end
  local due = {}
  for i = 1, #found, 2 do
    if tonumber(found[i + 1]) <= s.now then
      due[#due + 1] = found[i]
    end
  end
  for _, duty in ipairs(due) do
    perform(s, duty, math.max(math.floor(limits.housekeeping / #due), 5))
  end
  return next_due(s, earliest(keys.due()))
end

return duties
