-- Statistics by klass: the current minute, minutes and ten-minute sums of the past, and counters
-- for monitors. The option klass-stats says how many klasses have statistics of their own; all
-- others are counted together.
--
-- Each klass has a hash whose fields begin with the minute that they count, "29593440:put". So a
-- call adds a number without reading anything first (lib.stats.stats): HINCRBY returns what it
-- added only if the field is new, and only then can a minute be over.

local keys = require("lib.core.keys")
local series = require("lib.stats.series")
local stats = require("lib.stats.stats")
local stored = require("lib.core.stored")

local klasses = {}

-- The name under which klasses are counted that have no place of their own.
klasses.OTHER = "_other"

-- How many minutes and tens of minutes are kept: four hours, and fourteen days.
local MINUTES, TENS = 240, 2016
-- Klasses that a round of the sweep visits, and minutes after which it visits an idle one again.
local VISITED, AGAIN = 5, 60

local function sum(map)
  local total = 0
  for _, number in pairs(map or {}) do
    total = total + number
  end
  return total
end

-- The statistics of the current minute of a klass as a record of the series, or nil.
function klasses.current(klass)
  local flat = redis.call("HGETALL", keys.klass_now(klass))
  local values = {}
  for i = 1, #flat, 2 do
    values[flat[i]] = tonumber(flat[i + 1])
  end
  local minute = values.minute
  if not minute then
    return nil
  end
  local record, prefix = { minute = minute }, minute .. ":"
  for name, value in pairs(values) do
    if string.sub(name, 1, #prefix) == prefix then
      local field = string.sub(name, #prefix + 1)
      local map, bucket = string.match(field, "^(%l+_buckets):(.+)$")
      if map then
        record[map] = record[map] or {}
        record[map][bucket] = value
      else
        record[field] = value
      end
    end
  end
  -- Every pop adds a waiting time, and every completion of a running job adds a running time.
  record.popped = sum(record.wait_buckets)
  record.completed = (record.forced or 0) + sum(record.run_buckets)
  record.forced = nil
  return record
end

-- Adds a record to the counters for monitors.
function klasses.add_total(total, record)
  for name, field in pairs({ started = "popped", completed = "completed", failed = "failed",
    retried = "retried", run = "run_ms" }) do
    total[name] = (tonumber(total[name]) or 0) + (record[field] or 0)
  end
  return total
end

-- Files the statistics of a minute that is over, if they can be read.
local function file(s, klass)
  local closed = klasses.current(klass)
  redis.call("DEL", keys.klass_now(klass))
  if not closed then
    return
  end
  local packed = redis.call("HGET", keys.klasses(), klass)
  local total = klasses.add_total(packed and stored.unpack(packed) or {}, closed)
  redis.call("HSET", keys.klasses(), klass, cmsgpack.pack(total))
  closed.run_ms = nil
  local now, minute = stats.minute(s.now), closed.minute
  series.file_into(keys.klass_minutes(klass), "minute", minute, closed, now - MINUTES)
  series.file_into(keys.klass_tens(klass), "ten", math.floor(minute / 10), closed,
    math.floor(now / 10) - TENS)
end

local function has_place(s, klass)
  return klass == klasses.OTHER or redis.call("ZSCORE", keys.known_klasses(), klass)
    or redis.call("ZCARD", keys.known_klasses()) < s.klass_limit
end

-- Begins a minute of a klass, to which `sums` were added already, and files the minute before. What
-- was added to a klass without a place moves to the others.
function klasses.begin(s, klass, sums)
  local key, minute = keys.klass_now(klass), stats.minute(s.now)
  local counted = redis.call("HGET", key, "minute")
  if counted then
    file(s, klass)
    stats.add_to_klass(key, minute, sums)
  elseif not has_place(s, klass) then
    redis.call("DEL", key)
    stats.write_klass(s, klasses.OTHER, minute, sums)
    return
  end
  redis.call("HSET", key, "minute", minute)
  redis.call("ZADD", keys.known_klasses(), minute + 1, klass)
end

-- Removes what is too old from the series of a klass; returns whether nothing is left.
local function trim(s, klass)
  local now = stats.minute(s.now)
  redis.call("ZREMRANGEBYSCORE", keys.klass_minutes(klass), "-inf", now - MINUTES)
  redis.call("ZREMRANGEBYSCORE", keys.klass_tens(klass), "-inf", math.floor(now / 10) - TENS)
  return redis.call("EXISTS", keys.klass_now(klass), keys.klass_tens(klass)) == 0
end

-- Files the statistics of a few klasses that fell idle, and forgets klasses without any.
function klasses.tidy(s)
  local minute = stats.minute(s.now)
  local due = redis.call("ZRANGEBYSCORE", keys.known_klasses(), "-inf", minute, "LIMIT", 0,
    VISITED)
  for _, klass in ipairs(due) do
    local counted = tonumber(redis.call("HGET", keys.klass_now(klass), "minute"))
    if counted and counted < minute then
      file(s, klass)
    end
    if trim(s, klass) then
      redis.call("ZREM", keys.known_klasses(), klass)
      redis.call("HDEL", keys.klasses(), klass)
      redis.call("DEL", keys.klass_minutes(klass))
    else
      redis.call("ZADD", keys.known_klasses(), minute + AGAIN, klass)
    end
  end
end

-- Forgets everything when the statistics are switched off.
function klasses.switch(limit)
  if limit > 0 then
    return
  end
  for _, klass in ipairs(redis.call("ZRANGE", keys.known_klasses(), 0, -1)) do
    redis.call("UNLINK", keys.klass_now(klass), keys.klass_minutes(klass), keys.klass_tens(klass))
  end
  redis.call("DEL", keys.klasses(), keys.known_klasses())
end

return klasses
