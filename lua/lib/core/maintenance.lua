-- The maintenance of a namespace, which every pop does first: expired leases, due jobs, due
-- recurring jobs, ended pauses, releases, retention, throttles. The sorted set `due` holds its
-- tasks. The score of a task is a lower bound of the instant at which it has something to do; once
-- that has passed, it is the instant since which the task waits for its turn.

local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local queue_lib = require("lib.queue.queue")
local session = require("lib.core.session")

local maintenance = {}

-- Tasks that one call performs.
local TASKS_PER_CALL = 10

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

-- The kinds of task. Each does at most `budget` items and returns the instant at which it is due
-- again, or nil. The table is made only when a task is due: most calls have none, and making the
-- functions takes time.
local function make_tasks()
  return {
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
      local slot = earliest(keys.queue_recurring(queue))
      return slot and slot < math.huge and slot or nil
    end,
    refill = function(s)
      return require("lib.recurring.refill").ask(s)
    end,
    pause = function(s, queue)
      return end_pause(s, queue)
    end,
    releases = function(s, _, budget)
      require("lib.job.releases").drain(s, budget)
      return redis.call("EXISTS", keys.releases()) == 1 and s.now or nil
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
end

local function perform(s, tasks, name, budget)
  local kind, subject = string.match(name, "^(%l+):?(.*)$")
  local due_again = tasks[kind] and tasks[kind](s, subject, budget)
  if due_again then
    -- A task with more to do now goes behind all others that are due, so a backlog of one starves
    -- none.
    redis.call("ZADD", keys.due(), math.max(due_again, s.now), name)
  else
    redis.call("ZREM", keys.due(), name)
  end
end

local function milliseconds_until(s, instant)
  return instant and math.max(instant - s.now, 0) or nil
end

-- Performs what is due, within the bounds of one call. Returns the milliseconds until something
-- becomes due (0: there is more to do now), or nil.
function maintenance.run(s)
  local found = redis.call("ZRANGE", keys.due(), 0, TASKS_PER_CALL - 1, "WITHSCORES")
  local first = tonumber(found[2])
  if not first or first > s.now then
    return milliseconds_until(s, first)
  end
  local due, tasks = {}, make_tasks()
  for i = 1, #found, 2 do
    if tonumber(found[i + 1]) <= s.now then
      due[#due + 1] = found[i]
    end
  end
  for _, name in ipairs(due) do
    perform(s, tasks, name, math.max(math.floor(limits.housekeeping / #due), 5))
  end
  return maintenance.next(s)
end

-- The milliseconds until something becomes due, read anew.
function maintenance.next(s)
  return milliseconds_until(s, earliest(keys.due()))
end

return maintenance
