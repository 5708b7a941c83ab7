-- throttle_release(now, request, throttle, jids) -> number of jobs
-- Frees the slots of running jobs: these jobs keep running, and others may start.
-- Errors: BADARG
-- Events: throttle_released
-- Flags: allow-oom

local check = require("lib.core.check")
local holders = require("lib.admission.holders")
local session = require("lib.core.session")
local settings = require("lib.admission.throttle_settings")

local now, request, throttle, jids = unpack(ARGV)
settings.check_id("throttle", throttle)
local names = check.packed_names("jids", jids, 1)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end

local number = holders.revoke_slots(s, throttle, names)
session.publish(s, "log", '{"event":"throttle_released","throttle":"' .. throttle .. '"}')

return session.close(s, number)
