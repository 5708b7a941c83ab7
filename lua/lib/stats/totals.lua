-- Counters of a queue since it became known. A minute is added when it is over, in the call that
-- files it, so transitions pay nothing. Readers add the current minute (read/queue_totals), and so
-- never see a counter fall.

local keys = require("lib.core.keys")
local series = require("lib.stats.series")
local stored = require("lib.core.stored")

local totals = {}

local COUNTERS = { "put", "popped", "completed", "failed", "retried", "stalled", "crashed", "ticks",
  "tick_late" }

-- The sum of a sample. Durations are whole milliseconds, so rounding restores the exact number.
local function sum_of(sample)
  return sample and math.floor(sample[1] * sample[2] + 0.5) or 0
end

local MAPS = { wait_buckets = true, run_buckets = true }

local function are_numbers(values)
  for _, value in pairs(values) do
    if type(value) ~= "number" then
      return false
    end
  end
  return true
end

local function is_sound(total)
  for field, value in pairs(total) do
    local is_wanted = type(value) == (MAPS[field] and "table" or "number")
    if not is_wanted or (MAPS[field] and not are_numbers(value)) then
      return false
    end
  end
  return true
end

-- What is stored, or nil. A value of another form is set aside, and counting begins again.
local function load(queue)
  local key = keys.totals(queue)
  local total = stored.get(key)
  if total and not is_sound(total) then
    redis.quarantine(key)
    return nil
  end
  return total
end

local function add(total, record)
  for _, field in ipairs(COUNTERS) do
    total[field] = (total[field] or 0) + (record[field] or 0)
  end
  for _, kind in ipairs({ "wait", "run" }) do
    local map = kind .. "_buckets"
    total[map] = series.join_map(total[map], record[map])
    total[kind] = (total[kind] or 0) + sum_of(record[kind])
  end
  total.last_late = record.last_late or total.last_late
  return total
end

-- Adds a minute that is over.
function totals.add(s, queue, record)
  local total = load(queue) or { since = s.now }
  redis.call("SET", keys.totals(queue), cmsgpack.pack(add(total, record)))
end

return totals
