-- throttle_delete(now, request, throttle) -> whether it had limits
-- Removes all limits of a throttle, including a block; jobs parked on it become ready.
-- Errors: BADARG
-- Events: throttle_deleted
-- Flags: allow-oom

local session = require("lib.core.session")
local settings = require("lib.admission.throttle_settings")

local now, request, throttle = unpack(ARGV)
settings.check_id("throttle", throttle)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end

local existed = settings.delete(s, throttle)
session.publish(s, "log", '{"event":"throttle_deleted","throttle":"' .. throttle .. '"}')

return session.close(s, existed)
