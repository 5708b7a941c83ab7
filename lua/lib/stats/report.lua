-- Statistics in the form of replies: the filed series, and the current minute.

local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local series = require("lib.stats.series")
local stored = require("lib.core.stored")

local report = {}

report.RESOLUTIONS = { minute = true, ten = true }

-- Count, mean and sample deviation (n - 1), from the three numbers of Welford's method.
local function sample(numbers, slots)
  local count, mean, squares = unpack(numbers or { 0, 0, 0 })
  return {
    count = count,
    mean = mean,
    std = count > 1 and math.sqrt(squares / (count - 1)) or 0,
    histogram = slots or {},
  }
end

-- One day of a queue, including the current minute.
function report.day(_, queue, day)
  local total = series.day(queue, day) or {}
  local open = series.current(queue)
  if open and series.day_of(open.minute) == day then
    total = series.join(total, open)
  end
  local failures = total.failed or 0
  return {
    retries = total.retried or 0,
    failures = failures,
    failed = failures - (total.undone or 0),
    wait = sample(total.wait, total.wait_slots),
    run = sample(total.run, total.run_slots),
  }
end

-- Adds a packed record under its number; two records of the same number become one row.
local function add(rows, number, packed)
  if rows.last == number then
    local joined = series.join(stored.unpack(rows[#rows]) or {}, stored.unpack(packed) or {})
    rows[#rows] = cmsgpack.pack(joined)
  else
    rows[#rows + 1] = packed
  end
  rows.last = number
end

local function add_current(rows, open, length, low, high)
  local number = open and open.minute and math.floor(open.minute * 60000 / length)
  if number and number >= low and number <= high then
    open.ten = length > 60000 and number or nil
    add(rows, number, cmsgpack.pack(open))
  end
end

-- Rows between two instants, oldest first, as one packed list; `open` is the record of the current
-- minute. Records are copied packed: unpacking a day of minutes and packing it again would take
-- longer than a call may.
function report.rows(key, open, from, to, resolution)
  local length = resolution == "minute" and 60000 or 600000
  local low, high = math.floor(from / length), math.floor(to / length)
  local flat = redis.call("ZRANGEBYSCORE", key, low, high, "WITHSCORES",
    "LIMIT", 0, limits.page * 2)
  local rows = {}
  for i = 1, #flat, 2 do
    add(rows, tonumber(flat[i + 1]), flat[i])
  end
  add_current(rows, open, length, low, high)
  -- The msgpack header of a list with a length of four bytes.
  return "\221" .. struct.pack(">I4", #rows) .. table.concat(rows)
end

-- Rows of a queue.
function report.series(queue, from, to, resolution)
  local key = resolution == "minute" and keys.minutes(queue) or keys.tens(queue)
  return report.rows(key, series.current(queue), from, to, resolution)
end

return report
