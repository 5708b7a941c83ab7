-- Counters and histograms, kept by the transitions themselves. Each queue has a hash with the
-- statistics of the current minute. What a call counts is summed up first and written once. When
-- its minute is over the hash is added to three series (lib.stats.series). Mean and deviation are
-- exact, by Chan's rule for joining samples.

local keys = require("lib.core.keys")
local stored = require("lib.core.stored")

local stats = {}

function stats.minute(now)
  return math.floor(now / 60000)
end

-- Joins two samples; each is the number of values, their mean, and the sum of squared deviations.
function stats.join_sample(a, b)
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

-- What the call adds to a queue's statistics: a number or a sample for each field.
local function sums_of(s, queue)
  local found = s.counters[queue]
  if not found then
    found = {}
    s.counters[queue] = found
  end
  return found
end

function stats.add(s, queue, field, number)
  local sums = sums_of(s, queue)
  sums[field] = (sums[field] or 0) + number
end

-- Sets a field of the current minute to a number.
function stats.set(s, queue, field, number)
  sums_of(s, queue)[field] = string.format("%.0f", number)
end

-- Counts for a klass, if klasses are counted.
function stats.add_klass(s, klass, field, number)
  if not s.klass_limit then
    return
  end
  local sums = s.klasses[klass] or {}
  s.klasses[klass] = sums
  sums[field] = (sums[field] or 0) + number
end

-- The bucket of the logarithmic histogram: four per doubling; below a millisecond is -1.
local function bucket(ms)
  return ms < 1 and -1 or math.floor(math.log(ms) / math.log(2) * 4 + 1e-9)
end

-- The slots of qless: 60 seconds, 59 minutes, 23 hours, 6 days. A week and more has none.
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

-- Records one duration of the kind "wait" or "run". Equal durations are only counted here: the jobs
-- of one call have few different ones, and `write` does the rest once for each.
function stats.add_duration(s, queue, kind, ms)
  ms = ms > 0 and ms or 0
  local sums = sums_of(s, queue)
  local times = sums[kind]
  if not times then
    times = {}
    sums[kind] = times
  end
  times[ms] = (times[ms] or 0) + 1
end

-- Records one duration of a klass of the kind "wait" or "run". The sum of those that it ran is for
-- monitors.
function stats.add_klass_duration(s, klass, kind, ms)
  if not s.klass_limit then
    return
  end
  ms = ms > 0 and ms or 0
  stats.add_klass(s, klass, kind .. "_buckets:" .. bucket(ms), 1)
  if kind == "run" and ms > 0 then
    stats.add_klass(s, klass, "run_ms", ms)
  end
end

-- Adds the buckets and slots of all durations, and their sample, to the sums.
local function sum_up(sums, kind)
  local sample
  for ms, number in pairs(sums[kind] or {}) do
    sample = stats.join_sample(sample, { number, ms, 0 })
    local field = kind .. "_buckets:" .. bucket(ms)
    sums[field] = (sums[field] or 0) + number
    local name = slot(ms)
    if name then
      field = kind .. "_slots:" .. name
      sums[field] = (sums[field] or 0) + number
    end
  end
  sums[kind] = sample
end

local function join_sample(key, field, sample)
  local old = redis.call("HGET", key, field)
  local joined = stats.join_sample(old and stored.unpack(old), sample)
  redis.call("HSET", key, field, cmsgpack.pack(joined))
end

local function write_account(s, queue, sums)
  local key = keys.queue_now(queue)
  local counted = tonumber(redis.call("HGET", key, "minute"))
  if counted ~= stats.minute(s.now) then
    require("lib.stats.series").begin(s, queue, counted ~= nil)
  end
  sum_up(sums, "wait")
  sum_up(sums, "run")
  for field, more in pairs(sums) do
    if type(more) == "number" then
      redis.call("HINCRBY", key, field, more)
    elseif type(more) == "string" then
      redis.call("HSET", key, field, more)
    else
      join_sample(key, field, more)
    end
  end
end

-- Adds numbers to a minute of a klass; returns whether any field is new.
function stats.add_to_klass(key, minute, sums)
  local is_new = false
  for field, number in pairs(sums) do
    if redis.call("HINCRBY", key, minute .. ":" .. field, number) == number then
      is_new = true
    end
  end
  return is_new
end

function stats.write_klass(s, klass, minute, sums)
  local key = keys.klass_now(klass)
  local is_new = stats.add_to_klass(key, minute, sums)
  if is_new and redis.call("HGET", key, "minute") ~= minute .. "" then
    require("lib.stats.klasses").begin(s, klass, sums)
  end
end

-- Adds what the call counted to the statistics of its queues and klasses.
function stats.write(s)
  for queue, sums in pairs(s.counters) do
    write_account(s, queue, sums)
  end
  local minute = stats.minute(s.now)
  for klass, sums in pairs(s.klasses) do
    stats.write_klass(s, klass, minute, sums)
  end
end

return stats
