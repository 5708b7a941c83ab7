-- throttle_set(now, request, throttle, options) -> the throttle as read/throttles shows it
-- Sets the limits of a throttle, replacing all it had: concurrency, the number of jobs that run at
-- once; rate, the number that start in per ms (1000), up to burst of them at once.
-- Errors: BADARG
-- Events: throttle_set
-- Flags: allow-oom

local check = require("lib.core.check")
local session = require("lib.core.session")
local settings = require("lib.admission.throttle_settings")

local now, request, throttle, options = unpack(ARGV)
settings.check_id("throttle", throttle)
local given = check.options("options", options, settings.OPTIONS)
settings.check_limits(given)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end

settings.set(s, throttle, given)
session.publish(s, "log", '{"event":"throttle_set","throttle":"' .. throttle .. '"}')

return session.close(s, settings.show(s, throttle))
