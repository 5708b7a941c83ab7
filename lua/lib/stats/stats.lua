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

-- The table of that name in a table of tables.
local function within(tables, name)
  local found = tables[name]
  if not found then
    found = {}
    tables[name] = found
  end
  return found
end

local function add(sums, field, number)
  sums[field] = (sums[field] or 0) + number
end

function stats.add(s, queue, field, number)
  add(within(s.counters, queue), field, number)
end

-- Sets a field of the current minute to a number.
function stats.set(s, queue, field, number)
  within(s.counters, queue)[field] = string.format("%.0f", number)
end

-- Counts for a klass, if klasses are counted.
function stats.add_klass(s, klass, field, number)
  if s.klass_limit then
    add(within(s.klasses, klass), field, number)
  end
end

-- Records one duration of the kind "wait" or "run" for a queue and, if klasses are counted, for a
-- klass. Equal durations are only counted here: the jobs of one call have few different ones, and
-- `write` does the rest once for each.
function stats.add_duration(s, queue, klass, kind, ms)
  add(within(within(s.counters, queue), kind), ms, 1)
  if s.klass_limit then
    add(within(within(s.klasses, klass), kind), ms, 1)
  end
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

local function add_to_bucket(sums, kind, ms, number)
  add(sums, kind .. "_buckets:" .. bucket(ms), number)
end

-- Puts the buckets, the slots and the sample of the durations of a queue in the place of their
-- counts.
local function sum_up(sums, kind)
  if not sums[kind] then
    return
  end
  local sample
  for duration, number in pairs(sums[kind]) do
    local ms = math.max(duration, 0)
    sample = stats.join_sample(sample, { number, ms, 0 })
    add_to_bucket(sums, kind, ms, number)
    local name = slot(ms)
    if name then
      add(sums, kind .. "_slots:" .. name, number)
    end
  end
  sums[kind] = sample
end

-- The same for a klass, which has the buckets alone, and the sum of the durations that it ran.
local function sum_up_klass(sums, kind)
  if not sums[kind] then
    return
  end
  local total = 0
  for duration, number in pairs(sums[kind]) do
    local ms = math.max(duration, 0)
    add_to_bucket(sums, kind, ms, number)
    total = total + ms * number
  end
  sums[kind] = nil
  if kind == "run" and total > 0 then
    add(sums, "run_ms", total)
  end
end

local function join_sample(key, field, sample)
  local old = redis.call("HGET", key, field)
  local joined = stats.join_sample(old and stored.unpack(old), sample)
  redis.call("HSET", key, field, cmsgpack.pack(joined))
end

local function write_account(s, queue, minute, sums)
  local key = keys.queue_now(queue)
  local counted = tonumber(redis.call("HGET", key, "minute"))
  if counted ~= minute then
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
  local minute = stats.minute(s.now)
  for queue, sums in pairs(s.counters) do
    write_account(s, queue, minute, sums)
  end
  for klass, sums in pairs(s.klasses) do
    sum_up_klass(sums, "wait")
    sum_up_klass(sums, "run")
    stats.write_klass(s, klass, minute, sums)
  end
end

return stats
