-- Statistics as replies show them: the filed series, and the minute that is not filed yet.

local keys = require("lib.keys")
local limits = require("lib.limits")
local stats = require("lib.stats")

local report = {}

report.RESOLUTIONS = { minute = true, ten = true }

local COUNTERS = { "put", "popped", "completed", "failed", "retried", "stalled", "depth",
  "head_age" }

local function current(queue)
  local packed = redis.call("GET", keys.current(queue))
  return packed and cmsgpack.unpack(packed) or nil
end

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
  local total = stats.day(queue, day) or {}
  local open = current(queue)
  if open and stats.day_of(open.minute) == day then
    total = stats.join(total, open)
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

-- Rows between two instants, oldest first; a minute that was filed twice is one row.
function report.series(_, queue, from, to, resolution)
  local length = resolution == "minute" and 60000 or 600000
  local key = resolution == "minute" and keys.minutes(queue) or keys.tens(queue)
  local low, high = math.floor(from / length), math.floor(to / length)
  local order, sums = {}, {}
  local function add(number, record)
    if not sums[number] then
      order[#order + 1] = number
    end
    sums[number] = stats.join(sums[number] or {}, record)
  end
  for _, packed in ipairs(redis.call("ZRANGEBYSCORE", key, low, high,
    "LIMIT", 0, limits.page * 2)) do
    local record = cmsgpack.unpack(packed)
    add(record.ten or record.minute, record)
  end
  local open = current(queue)
  local number = open and math.floor(open.minute * 60000 / length)
  if open and number >= low and number <= high then
    add(number, open)
  end
  local rows = {}
  for i, at in ipairs(order) do
    rows[i] = row(sums[at], at * length)
  end
  return rows
end

return report
