-- Statistics as replies show them: the filed series, and the minute that is not filed yet.

local keys = require("lib.keys")
local limits = require("lib.limits")
local series = require("lib.series")

local report = {}

report.RESOLUTIONS = { minute = true, ten = true }

local COUNTERS = { "put", "popped", "completed", "failed", "retried", "stalled", "depth",
  "head_age" }

-- Count, mean and sample deviation (n - 1) of the three numbers of Welford's method.
local function sample(numbers, slots)
  local count, mean, squares = unpack(numbers or { 0, 0, 0 })
  return {
    count = count,
    mean = mean,
    std = count > 1 and math.sqrt(squares / (count - 1)) or 0,
    histogram = slots or {},
  }
end

-- One day of a queue, the present minute included.
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

local function row(record, at)
  local shown = { at = at, wait = record.wait_buckets or {}, run = record.run_buckets or {} }
  for _, name in ipairs(COUNTERS) do
    shown[name] = record[name] or 0
  end
  return shown
end

-- Adds a record under its number; what was filed twice becomes one row.
local function add(rows, number, record)
  local last = rows[#rows]
  if last and last.number == number then
    series.join(last.record, record)
  else
    rows[#rows + 1] = { number = number, record = series.join({}, record) }
  end
end

local function add_current(rows, queue, length, low, high)
  local open = series.current(queue)
  local number = open and math.floor(open.minute * 60000 / length)
  if open and number >= low and number <= high then
    add(rows, number, open)
  end
end

-- Rows between two instants, oldest first.
function report.series(_, queue, from, to, resolution)
  local by_minute = resolution == "minute"
  local length = by_minute and 60000 or 600000
  local key = by_minute and keys.minutes(queue) or keys.tens(queue)
  local low, high = math.floor(from / length), math.floor(to / length)
  local rows = {}
  for _, packed in ipairs(redis.call("ZRANGEBYSCORE", key, low, high,
    "LIMIT", 0, limits.page * 2)) do
    local record = cmsgpack.unpack(packed)
    add(rows, record.ten or record.minute, record)
  end
  add_current(rows, queue, length, low, high)
  for i, found in ipairs(rows) do
    rows[i] = row(found.record, found.number * length)
  end
  return rows
end

return report
