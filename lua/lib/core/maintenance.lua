-- The maintenance of a namespace, which every pop does first: expired leases, due jobs, due
-- recurring jobs, ended pauses, releases, retention, throttles. The sorted set `due` holds its
-- tasks. The score of a task is a lower bound of the instant at which it has something to do; once
-- that has passed, it is the instant since which the task waits for its turn.

local keys = require("lib.core.keys")
local limits = require("lib.core.limits")

local maintenance = {}

-- The least score of a set, or nil.
local function earliest(key)
  return tonumber(redis.call("ZRANGE", key, 0, 0, "WITHSCORES")[2])
end

local function perform(s, name, budget)
  local kind, subject = string.match(name, "^(%l+):?(.*)$")
  local due_again = require("lib.core.maintenance_tasks").perform(s, kind, subject, budget)
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
  local found = redis.call("ZRANGE", keys.due(), 0, limits.tasks - 1, "WITHSCORES")
  local first = tonumber(found[2])
  if not first and not s.new_clock then
    -- The sweep is always there, so the list was lost. A round over the queues restores it.
    require("lib.core.clock_set_back").restore_tasks(s)
    return 0
  end
  if not first or first > s.now then
    return milliseconds_until(s, first)
  end
  local due = {}
  for i = 1, #found, 2 do
    if tonumber(found[i + 1]) <= s.now then
      due[#due + 1] = found[i]
    end
  end
  for _, name in ipairs(due) do
    perform(s, name, math.max(math.floor(limits.housekeeping / #due),
      limits.task_items))
  end
  return maintenance.next(s)
end

-- The milliseconds until something becomes due, read from the store again.
function maintenance.next(s)
  return milliseconds_until(s, earliest(keys.due()))
end

return maintenance
