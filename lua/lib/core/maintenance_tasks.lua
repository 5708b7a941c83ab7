-- The tasks of maintenance by kind. lib.core.maintenance loads them only when one is due: most pops
-- have none, and making these functions in each of them would cost time.

local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local queue_lib = require("lib.queue.queue")
local session = require("lib.core.session")
local stored = require("lib.core.stored")

local maintenance_tasks = {}

-- The least score of a set, or nil.
local function earliest(key)
  return tonumber(redis.call("ZRANGE", key, 0, 0, "WITHSCORES")[2])
end

-- Makes scheduled jobs ready whose time has come.
local function promote(s, queue, budget)
  local key = keys.scheduled(queue)
  local due = redis.call("ZRANGEBYSCORE", key, "-inf", s.now, "LIMIT", 0, budget)
  for i, job in ipairs(job_lib.find_all(due)) do
    redis.call("ZREM", key, due[i])
    if job and job.record.state == "scheduled" then
      local due_at = job.record.due
      job.record.due = nil
      queue_lib.to_waiting(s, job, queue, due_at)
      job_lib.save(job)
    end
  end
end

-- Ends a pause whose time is over; returns the end of one that is still on.
local function end_pause(s, queue)
  local field = "paused:" .. queue
  local packed = redis.call("HGET", keys.meta(), field)
  local pause = packed and stored.unpack(packed)
  local ends = pause and pause["until"]
  if ends and ends <= s.now then
    redis.call("HDEL", keys.meta(), field)
    queue_lib.wake(queue)
    session.publish(s, "log", '{"event":"unpaused","queue":"' .. queue .. '"}')
    return nil
  end
  return ends
end

-- Each does at most `budget` items and returns the instant at which it is due again, or nil.
local kinds = {
  leases = function(s, queue, budget)
    require("lib.job.reclaim").run(s, queue, budget)
    return earliest(keys.running(queue))
  end,
  scheduled = function(s, queue, budget)
    promote(s, queue, budget)
    return earliest(keys.scheduled(queue))
  end,
  recurring = function(s, queue, budget)
    require("lib.recurring.recurrence").make_due(s, queue, budget)
    local tick = earliest(keys.queue_recurring(queue))
    return tick and tick < math.huge and tick or nil
  end,
  refill = function(s)
    return require("lib.recurring.refill").ask(s)
  end,
  pause = function(s, queue)
    return end_pause(s, queue)
  end,
  releases = function(s, _, budget)
    require("lib.job.releases").drain(s, budget)
    if redis.call("EXISTS", keys.releases()) == 0 then
      return nil
    end
    -- The worker of this pop may be busy from now on.
    require("lib.queue.idle_workers").wake()
    return s.now
  end,
  sweep = function(s, _, budget)
    return s.now + (require("lib.core.retention").sweep(s, budget) > 0 and 60000 or 0)
  end,
  throttle = function(s, id, budget)
    return require("lib.admission.throttle_wakeup").perform(s, id, budget)
  end,
  rewind = function(s, _, budget)
    return not require("lib.core.clock_set_back").step(s, budget) and s.now or nil
  end,
}

-- Performs one task; returns the instant at which it is due again, or nil.
function maintenance_tasks.perform(s, kind, subject, budget)
  return kinds[kind] and kinds[kind](s, subject, budget)
end

return maintenance_tasks
