-- Counters and histograms, kept by the transitions themselves. A queue has one running account
-- of the present minute, read and written once a call; when its minute is over the account
-- joins three series: minutes (one day), ten-minute sums (14 days) and days.
-- Mean and deviation are exact: Welford's update, Chan's rule to join two accounts.

local keys = require("lib.keys")

local stats = {}

local FIELDS = { "put", "popped", "completed", "failed", "retried", "stalled", "undone" }
local MAPS = { "wait_buckets", "run_buckets", "wait_slots", "run_slots" }

function stats.minute(now)
  return math.floor(now / 60000)
end

local function fresh(s, queue)
  local head = redis.call("ZRANGE", keys.waiting(queue), 0, 0)[1]
  local age = head and s.now - struct.unpack(">I6", head)
  return {
    minute = stats.minute(s.now),
    depth = redis.call("ZCARD", keys.waiting(queue)),
    head_age = math.max(age or 0, 0),
  }
end

-- The account of the queue's present minute; it is written when the session closes.
local function account(s, queue)
  local counters = s.counters[queue]
  if counters then
    return counters.account
  end
  local packed = redis.call("GET", keys.current(queue))
  local current = packed and cmsgpack.unpack(packed)
  counters = { known = packed and true, account = current }
  if not current or current.minute ~= stats.minute(s.now) then
    counters.closed = current
    counters.account = fresh(s, queue)
  end
  s.counters[queue] = counters
  return counters.account
end

function stats.add(s, queue, field, number)
  local current = account(s, queue)
  current[field] = (current[field] or 0) + number
end

-- The bucket of the logarithmic histogram: four to a doubling; below a millisecond is -1.
local function bucket(ms)
  if ms < 1 then
    return "-1"
  end
  return string.format("%d", math.floor(math.log(ms) / math.log(2) * 4 + 1e-9))
end

-- qless' slots: 60 seconds, 59 minutes, 23 hours, 6 days; a week and more has none.
local function slot(ms)
  local seconds = math.floor(ms / 1000)
  if seconds < 60 then
    return "s" .. seconds
  elseif seconds < 3600 then
    return "m" .. math.floor(seconds / 60)
  elseif seconds < 86400 then
    return "h" .. math.floor(seconds / 3600)
  elseif seconds < 604800 then
    return "d" .. math.floor(seconds / 86400)
  end
  return nil
end

local function count(current, map, name)
  if name then
    local found = current[map]
    if not found then
      found = {}
      current[map] = found
    end
    found[name] = (found[name] or 0) + 1
  end
end

-- Records one duration, `kind` being "wait" or "run".
function stats.took(s, queue, kind, ms)
  ms = math.max(ms, 0)
  local current = account(s, queue)
  local sample = current[kind] or { 0, 0, 0 }
  local number, delta = sample[1] + 1, ms - sample[2]
  local mean = sample[2] + delta / number
  current[kind] = { number, mean, sample[3] + delta * (ms - mean) }
  count(current, kind .. "_buckets", bucket(ms))
  count(current, kind .. "_slots", slot(ms))
end

local function join_sample(a, b)
  if not a or not b then
    return a or b
  end
  local number, delta = a[1] + b[1], b[2] - a[2]
  return {
    number,
    a[2] + delta * b[1] / number,
    a[3] + b[3] + delta * delta * a[1] * b[1] / number,
  }
end

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
function stats.join(a, b)
  for _, field in ipairs(FIELDS) do
    if b[field] then
      a[field] = (a[field] or 0) + b[field]
    end
  end
  for _, map in ipairs(MAPS) do
    a[map] = join_map(a[map], b[map])
  end
  a.wait = join_sample(a.wait, b.wait)
  a.run = join_sample(a.run, b.run)
  a.depth = math.max(a.depth or 0, b.depth or 0)
  a.head_age = math.max(a.head_age or 0, b.head_age or 0)
  return a
end

-- The sum of a series between two numbers, both included; nil when there is nothing.
function stats.sum(series, low, high)
  local total
  for _, packed in ipairs(redis.call("ZRANGEBYSCORE", series, low, high, "LIMIT", 0, 1500)) do
    total = stats.join(total or {}, cmsgpack.unpack(packed))
  end
  return total
end

local function replace(series, number, record)
  redis.call("ZREMRANGEBYSCORE", series, number, number)
  redis.call("ZADD", series, number, cmsgpack.pack(record))
end

local function file_ten(queue, ten)
  local total = stats.sum(keys.minutes(queue), ten * 10, ten * 10 + 9)
  if total then
    total.ten = ten
    total.wait_slots, total.run_slots = nil, nil
    replace(keys.tens(queue), ten, total)
  end
  redis.call("ZREMRANGEBYSCORE", keys.tens(queue), "-inf", ten - 2016)
end

function stats.day_of(minute)
  return math.floor(minute / 1440)
end

-- The day's record without the present minute.
function stats.day(queue, day)
  local packed = redis.call("ZRANGEBYSCORE", keys.days(queue), day, day, "LIMIT", 0, 1)[1]
  return packed and cmsgpack.unpack(packed)
end

local function file_day(queue, closed)
  local day = stats.day_of(closed.minute)
  local total = stats.join(stats.day(queue, day) or {}, closed)
  total.day = day
  replace(keys.days(queue), day, total)
  local kept = tonumber(redis.call("HGET", keys.meta(), "config:stats-history") or 30)
  redis.call("ZREMRANGEBYSCORE", keys.days(queue), "-inf", day - math.max(kept, 1))
end

-- Files an account whose minute is over.
function stats.file(s, queue, closed)
  file_day(queue, closed)
  closed.wait_slots, closed.run_slots = nil, nil
  redis.call("ZADD", keys.minutes(queue), closed.minute, cmsgpack.pack(closed))
  redis.call("ZREMRANGEBYSCORE", keys.minutes(queue), "-inf", stats.minute(s.now) - 1440)
  local ten = math.floor(closed.minute / 10)
  if ten ~= math.floor(stats.minute(s.now) / 10) then
    file_ten(queue, ten)
  end
end

-- Writes every account of the call and makes new queues known.
function stats.write(s)
  for queue, counters in pairs(s.counters) do
    if counters.closed then
      stats.file(s, queue, counters.closed)
    end
    redis.call("SET", keys.current(queue), cmsgpack.pack(counters.account))
    if not counters.known then
      redis.call("ZADD", keys.queues(), "NX", s.now, queue)
    end
  end
end

-- Takes one failure back, on the day on which it happened.
function stats.undo_failure(s, queue, failed_at)
  local current = account(s, queue)
  local day = stats.day_of(stats.minute(failed_at))
  if day == stats.day_of(current.minute) then
    current.undone = (current.undone or 0) + 1
    return
  end
  local record = stats.day(queue, day)
  if record then
    record.undone = (record.undone or 0) + 1
    replace(keys.days(queue), day, record)
  end
end

return stats
