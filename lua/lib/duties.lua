-- What any pop does for the whole namespace before it takes work: lapsed leases, due jobs, due
-- recurring jobs, ended pauses, releases, retention. `due` holds for each duty a lower bound of the
-- instant at which it has something to do or, once that is over, since when it waits for its turn.

local keys = require("lib.keys")
local limits = require("lib.limits")

local duties = {}

local ABREAST = 10

-- The least score of a set, or nil.
local function earliest(key)
  return tonumber(redis.call("ZRANGE", key, 0, 0, "WITHSCORES")[2])
end

local function perform(s, duty, budget)
  local kind, queue = string.match(duty, "^(%l+):?(.*)$")
  local again = require("lib.duty").perform(s, kind, queue, budget)
  if again then
    -- One with more to do now goes behind all others that are due: a backlog starves none of them.
    redis.call("ZADD", keys.due(), math.max(again, s.now), duty)
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

-- The milliseconds until something becomes due, asked anew.
function duties.next(s)
  return next_due(s, earliest(keys.due()))
end

return duties
