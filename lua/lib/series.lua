-- What becomes of a queue's accounts once their minute is over: three series of records.

local keys = require("lib.keys")
local stats = require("lib.stats")

local series = {}

local FIELDS = { "put", "popped", "completed", "failed", "retried", "stalled", "undone" }
local MAPS = { "wait_buckets", "run_buckets", "wait_slots", "run_slots" }

local function join_map(a, b)
  if not a or not b then
    return a or b
  end
  for name, number in pairs(b) do
    a[name] = (a[name] or 0) + number
  end
  return a
end

-- Adds the account b to a and returns a.
function series.join(a, b)
  for _, field in ipairs(FIELDS) do
    if b[field] then
      a[field] = (a[field] or 0) + b[field]
    end
  end
  for _, map in ipairs(MAPS) do
    a[map] = join_map(a[map], b[map])
  end
  a.wait = stats.join_sample(a.wait, b.wait)
  a.run = stats.join_sample(a.run, b.run)
  a.depth = math.max(a.depth or 0, b.depth or 0)
  a.head_age = math.max(a.head_age or 0, b.head_age or 0)
  return a
end

-- The sum of a series between two numbers, both included; nil when there is nothing.
function series.sum(key, low, high)
  local total
  for _, packed in ipairs(redis.call("ZRANGEBYSCORE", key, low, high, "LIMIT", 0, 1500)) do
    total = series.join(total or {}, cmsgpack.unpack(packed))
  end
  return total
end

local function replace(key, number, record)
  redis.call("ZREMRANGEBYSCORE", key, number, number)
  redis.call("ZADD", key, number, cmsgpack.pack(record))
end

local function file_ten(queue, ten)
  local total = series.sum(keys.minutes(queue), ten * 10, ten * 10 + 9)
  if total then
    total.ten = ten
    total.wait_slots, total.run_slots = nil, nil
    replace(keys.tens(queue), ten, total)
  end
  redis.call("ZREMRANGEBYSCORE", keys.tens(queue), "-inf", ten - 2016)
end

function series.day_of(minute)
  return math.floor(minute / 1440)
end

-- The day's record without the present minute.
function series.day(queue, day)
  local packed = redis.call("ZRANGEBYSCORE", keys.days(queue), day, day, "LIMIT", 0, 1)[1]
  return packed and cmsgpack.unpack(packed)
end

local function file_day(queue, closed)
  local day = series.day_of(closed.minute)
  local total = series.join(series.day(queue, day) or {}, closed)
  total.day = day
  replace(keys.days(queue), day, total)
  local kept = tonumber(redis.call("HGET", keys.meta(), "config:stats-history") or 30)
  redis.call("ZREMRANGEBYSCORE", keys.days(queue), "-inf", day - math.max(kept, 1))
end

-- The account of a queue's present minute as a record of the series, or nil.
function series.current(queue)
  local flat = redis.call("HGETALL", keys.current(queue))
  local record = {}
  for i = 1, #flat, 2 do
    local field, value = flat[i], flat[i + 1]
    local map, name = string.match(field, "^(%l+_%l+):(.+)$")
    if map then
      record[map] = record[map] or {}
      record[map][name] = tonumber(value)
    elseif field == "wait" or field == "run" then
      record[field] = cmsgpack.unpack(value)
    else
      record[field] = tonumber(value)
    end
  end
  return #flat > 0 and record or nil
end

-- Files the account of a minute that is over.
function series.file(s, queue)
  local closed = series.current(queue)
  redis.call("DEL", keys.current(queue))
  file_day(queue, closed)
  closed.wait_slots, closed.run_slots = nil, nil
  redis.call("ZADD", keys.minutes(queue), closed.minute, cmsgpack.pack(closed))
  redis.call("ZREMRANGEBYSCORE", keys.minutes(queue), "-inf", stats.minute(s.now) - 1440)
  local ten = math.floor(closed.minute / 10)
  if ten ~= math.floor(stats.minute(s.now) / 10) then
    file_ten(queue, ten)
  end
end

-- Begins the account of a new minute; files the one before, or lists a new queue.
function series.begin(s, queue)
  local key = keys.current(queue)
  if redis.call("EXISTS", key) == 1 then
    series.file(s, queue)
  else
    redis.call("ZADD", keys.queues(), "NX", s.now, queue)
  end
  local head = redis.call("ZRANGE", keys.waiting(queue), 0, 0)[1]
  local age = head and s.now - struct.unpack(">I6", head) or 0
  redis.call("HSET", key, "minute", stats.minute(s.now),
    "depth", redis.call("ZCARD", keys.waiting(queue)), "head_age", math.max(age, 0))
end

-- Takes one failure back, on the day on which it happened.
function series.undo_failure(s, queue, failed_at)
  local day = series.day_of(stats.minute(failed_at))
  local today = day == series.day_of(stats.minute(s.now))
  stats.add(s, queue, "undone", today and 1 or 0)
  if today then
    return
  end
  local record = series.day(queue, day)
  if record then
    record.undone = (record.undone or 0) + 1
    replace(keys.days(queue), day, record)
  end
end

return series
