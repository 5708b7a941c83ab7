-- What each kind of duty does when it is due (lib.duties).

local job_lib = require("lib.job")
local keys = require("lib.keys")
local queue_lib = require("lib.queue")
local session = require("lib.session")

local duty = {}

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
  refill = function(s)
    return require("lib.refill").ask(s)
  end,
  pause = function(s, queue)
    return end_pause(s, queue)
  end,
  releases = function(s, _, budget)
    require("lib.releases").drain(s, budget)
    return redis.call("EXISTS", keys.releases()) == 1 and s.now or nil
  end,
  sweep = function(s, _, budget)
    return s.now + (require("lib.retention").sweep(s, budget) > 0 and 60000 or 0)
  end,
  throttle = function(s, id, budget)
    return require("lib.opening").perform(s, id, budget)
  end,
  rewind = function(s, _, budget)
    return not require("lib.rewind").step(s, budget) and s.now or nil
  end,
}

-- Performs one duty; returns when it wants to be looked at again, or nil.
function duty.perform(s, kind, queue, budget)
  return kinds[kind] and kinds[kind](s, queue, budget)
end

return duty
