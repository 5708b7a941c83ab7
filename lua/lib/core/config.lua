-- The options of a namespace: their defaults, and the values they accept. Times are in seconds.

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local limits = require("lib.core.limits")

local config = {}

config.DEFAULTS = {
  ["application"] = "qless",
  ["heartbeat"] = "60",
  ["grace-period"] = "10",
  ["jobs-history"] = "2592000",
  ["jobs-history-count"] = "50000",
  ["canceled-history"] = "604800",
  ["canceled-history-count"] = "10000",
  ["canceled-history-size"] = "67108864",
  ["max-job-history"] = "100",
  ["stats-history"] = "30",
  ["histogram-history"] = "7",
  ["max-worker-age"] = "86400",
  ["max-crashes"] = "3",
  ["max-data-size"] = "1048576",
  ["event-stream"] = "0",
  ["klass-stats"] = tostring(limits.klasses),
  ["audit-log"] = "10000",
}

-- The least and largest value of each numeric option; a third entry means whole numbers only.
local RANGES = {
  ["heartbeat"] = { 0.001, 31557600 },
  ["grace-period"] = { -31557600, 31557600 },
  ["jobs-history"] = { -31557600, 3155760000 },
  ["jobs-history-count"] = { 0, 100000000, true },
  ["canceled-history"] = { 0, 3155760000 },
  ["canceled-history-count"] = { 0, 1000000, true },
  ["canceled-history-size"] = { 0, 68719476736, true },
  ["max-job-history"] = { -1, 10000, true },
  ["stats-history"] = { 1, 3650, true },
  ["histogram-history"] = { 1, 3650, true },
  ["max-worker-age"] = { 0, 3155760000 },
  ["max-crashes"] = { 1, 1000000, true },
  ["max-data-size"] = { 1, 536870912, true },
  ["event-stream"] = { 0, 10000000, true },
  ["klass-stats"] = { 0, 1000, true },
  ["audit-log"] = { 0, 1000000, true },
}

local function range(option)
  return RANGES[option] or (string.find(option, "%-heartbeat$") and RANGES["heartbeat"])
end

local function refuse(option, bounds)
  errors.raise("BADCONFIG", string.format("%s is a %snumber from %.14g to %.14g", option,
    bounds[3] and "whole " or "", bounds[1], bounds[2]))
end

-- Refuses a value that the option does not accept.
function config.check(option, value)
  check.name("option", option)
  check.text("value", value, 1024)
  local bounds = range(option)
  if not bounds then
    return
  end
  local number = string.find(value, "^%-?%d+%.?%d*$") and tonumber(value)
  if not number or number < bounds[1] or number > bounds[2]
    or (bounds[3] and number ~= math.floor(number)) then
    refuse(option, bounds)
  end
end

return config
