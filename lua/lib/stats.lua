-- Counters and histograms, kept by the transitions themselves. A queue has one running account
-- of the present minute, read and written once a call; when its minute is over the account
-- joins three series: minutes (one day), ten-minute sums (14 days) and days
-- (lib.series). Mean and deviation are exact: Welford's update.

local keys = require("lib.keys")

local stats = {}

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
function stats.account(s, queue)
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
  local current = stats.account(s, queue)
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
  local current = stats.account(s, queue)
  local sample = current[kind] or { 0, 0, 0 }
  local number, delta = sample[1] + 1, ms - sample[2]
  local mean = sample[2] + delta / number
  current[kind] = { number, mean, sample[3] + delta * (ms - mean) }
  count(current, kind .. "_buckets", bucket(ms))
  count(current, kind .. "_slots", slot(ms))
end

-- Writes every account of the call and makes new queues known.
function stats.write(s)
  for queue, counters in pairs(s.counters) do
    if counters.closed then
      require("lib.series").file(s, queue, counters.closed)
    end
    redis.call("SET", keys.current(queue), cmsgpack.pack(counters.account))
    if not counters.known then
      redis.call("ZADD", keys.queues(), "NX", s.now, queue)
    end
  end
end

return stats
