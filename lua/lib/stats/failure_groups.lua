-- When failure groups were seen: a record of each outlives its failed jobs, which are retried or
-- canceled. A sorted set orders the groups by their last failure; the 500 newest are kept.

local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local stored = require("lib.core.stored")

local failure_groups = {}

local HOUR = 3600000

-- The record of a packed group; nil if it cannot be used.
function failure_groups.parse(packed)
  local record = packed and stored.unpack(packed)
  local is_usable = record
    and type(record.first) == "number"
    and type(record.count) == "number"
    and type(record.hours) == "table"
    and type(record.queues) == "table"
    and type(record.klasses) == "table"
  return is_usable and record or nil
end

-- A group without a record may have jobs that failed before: it was seen when the first of them
-- failed. The new failure is counted by the caller.
local function new_record(s, group)
  local key = keys.failed_group(group)
  local first = tonumber(redis.call("ZRANGE", key, 0, 0, "WITHSCORES")[2]) or s.now
  return { first = math.min(first, s.now), count = math.max(redis.call("ZCARD", key) - 1, 0),
    hours = {}, queues = {}, klasses = {} }
end

-- Counts a failure by hour: `hours` is a flat list of hours and numbers, the oldest in front.
local function count(hours, hour)
  local size = #hours
  if size > 0 and hours[size - 1] >= hour then
    hours[size] = hours[size] + 1
    return
  end
  hours[size + 1], hours[size + 2] = hour, 1
  while hours[1] <= hour - limits.failure_hours do
    table.remove(hours, 1)
    table.remove(hours, 1)
  end
end

-- Adds a name to the last few that differ.
local function remember(names, name)
  for _, known in ipairs(names) do
    if known == name then
      return
    end
  end
  names[#names + 1] = name
  if #names > limits.failure_names then
    table.remove(names, 1)
  end
end

-- Deletes the groups whose last failure is the longest ago, so that one more may be stored.
local function make_room()
  local excess = redis.call("ZCARD", keys.groups()) - limits.failure_groups + 1
  if excess <= 0 then
    return
  end
  local oldest = redis.call("ZRANGE", keys.groups(), 0, math.min(excess, limits.call) - 1)
  for _, group in ipairs(oldest) do
    failure_groups.forget(group)
  end
end

-- Records that a job of this queue and klass has failed into a group, which lists it already.
function failure_groups.note(s, group, queue, klass)
  local record = failure_groups.parse(redis.call("HGET", keys.group_records(), group))
  if not record then
    make_room()
    record = new_record(s, group)
  end
  record.count = record.count + 1
  count(record.hours, math.floor(s.now / HOUR))
  remember(record.queues, queue)
  remember(record.klasses, klass)
  redis.call("HSET", keys.group_records(), group, cmsgpack.pack(record))
  redis.call("ZADD", keys.groups(), s.now, group)
end

function failure_groups.forget(group)
  redis.call("HDEL", keys.group_records(), group)
  redis.call("ZREM", keys.groups(), group)
end

return failure_groups
