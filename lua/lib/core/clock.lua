-- The time of a call: the server's clock, or a test clock in a namespace that began with one.

local check = require("lib.core.check")
local errors = require("lib.core.errors")

local clock = {}

-- The largest step back, in milliseconds, that counts as a wobble of the clock: time stands still
-- meanwhile.
local WOBBLE = 60000

local function read_clock(argument)
  if argument == "" then
    local time = redis.call("TIME")
    return "server", time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return "test", check.integer("now", argument, 0, 281474976710655)
end

-- Returns the time, the kind of clock, and whether the clock was set back by more than a wobble.
function clock.read(argument, kind, last)
  check.given("now", argument)
  local call_kind, now = read_clock(argument)
  if kind and kind ~= call_kind then
    errors.raise("CLOCK", "This namespace has a " .. kind .. " clock")
  end
  if now >= last then
    return now, call_kind, false
  end
  if last - now <= WOBBLE then
    return last, call_kind, false
  end
  return now, call_kind, true
end

return clock
