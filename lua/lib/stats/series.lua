-- The three series into which the statistics of a queue are filed once their minute is over:
-- minutes, ten-minute sums and days.

local keys = require("lib.core.keys")
local queue_lib = require("lib.queue.queue")
local stats = require("lib.stats.stats")
local stored = require("lib.core.stored")

local series = {}

local FIELDS = { "put", "popped", "completed", "failed", "retried", "stalled", "crashed", "undone" }
local HIGHEST = { "depth", "head_age" }
local MAPS = { "wait_buckets", "run_buckets", "wait_slots", "run_slots" }

-- Adds the numbers of map b to a; returns a, or the one that there is.
function series.join_map(a, b)
  if not a or not b then
    return a or b
  end
  for name, number in pairs(b) do
    a[name] = (a[name] or 0) + number
  end
  return a
end

-- Adds record b to a; returns a.
function series.join(a, b)
  for _, field in ipairs(FIELDS) do
    if b[field] then
      a[field] = (a[field] or 0) + b[field]
    end
  end
  for _, map in ipairs(MAPS) do
    a[map] = series.join_map(a[map], b[map])
  end
  a.wait = stats.join_sample(a.wait, b.wait)
  a.run = stats.join_sample(a.run, b.run)
  for _, field in ipairs(HIGHEST) do
    if a[field] or b[field] then
      a[field] = math.max(a[field] or 0, b[field] or 0)
    end
  end
  return a
end

-- The record with that number in a series, or nil.
local function record_of(key, number)
  local packed = redis.call("ZRANGEBYSCORE", key, number, number, "LIMIT", 0, 1)[1]
  return packed and stored.unpack(packed)
end

local function replace(key, number, record)
  redis.call("ZREMRANGEBYSCORE", key, number, number)
  redis.call("ZADD", key, number, cmsgpack.pack(record))
end

function series.day_of(minute)
  return math.floor(minute / 1440)
end

-- The record of a day, without the current minute.
function series.day(queue, day)
  return record_of(keys.days(queue), day)
end

-- The statistics of a queue's current minute as a record of the series, or nil.
function series.current(queue)
  local flat = redis.call("HGETALL", keys.queue_now(queue))
  local record = {}
  for i = 1, #flat, 2 do
    local field, value = flat[i], flat[i + 1]
    local map, name = string.match(field, "^(%l+_%l+):(.+)$")
    if map then
      record[map] = record[map] or {}
      record[map][name] = tonumber(value)
    elseif field == "wait" or field == "run" then
      record[field] = stored.unpack(value)
    else
      record[field] = tonumber(value)
    end
  end
  return #flat > 0 and record or nil
end

-- Adds a record to the one with that number, and drops records too old to keep.
function series.file_into(key, unit, number, closed, oldest)
  local total = series.join(record_of(key, number) or {}, closed)
  total[unit] = number
  replace(key, number, total)
  redis.call("ZREMRANGEBYSCORE", key, "-inf", oldest)
end

-- Files the statistics of a minute that is over.
function series.file(s, queue)
  local closed = series.current(queue)
  redis.call("DEL", keys.queue_now(queue))
  require("lib.stats.totals").add(s, queue, closed)
  local minute, today = closed.minute, series.day_of(stats.minute(s.now))
  local kept = tonumber(redis.call("HGET", keys.meta(), "config:stats-history")) or 30
  series.file_into(keys.days(queue), "day", series.day_of(minute), closed,
    today - math.max(kept, 1))
  closed.wait_slots, closed.run_slots = nil, nil
  series.file_into(keys.minutes(queue), "minute", minute, closed, stats.minute(s.now) - 1440)
  series.file_into(keys.tens(queue), "ten", math.floor(minute / 10), closed,
    math.floor(stats.minute(s.now) / 10) - 2016)
end

local function head_age(s, key)
  local head = redis.call("ZRANGE", key, 0, 0)[1]
  return head and math.max(s.now - stored.ready_at(head), 0) or 0
end

-- Begins the statistics of a new minute; files the minute before, or lists a new queue.
function series.begin(s, queue, has_account)
  if has_account then
    series.file(s, queue)
  else
    queue_lib.list(s, queue)
  end
  local of_users = redis.call("ZCARD", keys.shared(queue))
  local age = head_age(s, keys.waiting(queue))
  if of_users > 0 then
    age = math.max(age, head_age(s, keys.shared(queue)))
  end
  redis.call("HSET", keys.queue_now(queue), "minute", stats.minute(s.now),
    "depth", redis.call("ZCARD", keys.waiting(queue)) + of_users, "head_age", age)
end

-- Takes back one failure, on the day on which it happened.
function series.undo_failure(s, queue, failed_at)
  local day = series.day_of(stats.minute(failed_at))
  local today = day == series.day_of(stats.minute(s.now))
  stats.add(s, queue, "undone", today and 1 or 0)
  if today then
    return
  end
  local counted = tonumber(redis.call("HGET", keys.queue_now(queue), "minute"))
  local record = series.day(queue, day)
  if counted and series.day_of(counted) == day then
    redis.call("HINCRBY", keys.queue_now(queue), "undone", 1)
  elseif record then
    record.undone = (record.undone or 0) + 1
    replace(keys.days(queue), day, record)
  end
end

return series
