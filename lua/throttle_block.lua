-- throttle_block(now, request, throttle, ms) -> the instant at which the block ends, 0 for none
-- Blocks a throttle for ms, whatever its limits: no job starts under it. 0 ends a block.
-- Errors: BADARG
-- Events: throttle_blocked
-- Flags: allow-oom

local check = require("lib.core.check")
local session = require("lib.core.session")
local settings = require("lib.admission.throttle_settings")

local now, request, throttle, ms = unpack(ARGV)
settings.check_id("throttle", throttle)
local length = check.delay("ms", check.integer("ms", ms, 0, 3155760000000))

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end

local ends = settings.block(s, throttle, length)
session.publish(s, "log", '{"event":"throttle_blocked","throttle":"' .. throttle .. '","until":'
  .. string.format("%.0f", ends) .. "}")

return session.close(s, ends)
