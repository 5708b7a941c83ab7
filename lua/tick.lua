-- tick(now, request) -> {next, more, refill}
-- Does the maintenance that pop does first, and takes no jobs.
-- Errors: BADARG
-- Events: stalled lock_lost failed canceled put unpaused schedule_dry conflict
-- Flags: allow-oom

local maintenance = require("lib.core.maintenance")
local session = require("lib.core.session")

local now, request = unpack(ARGV)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local due = maintenance.run(s)

return session.close(s, { next = due, more = due == 0, refill = s.refill_requests })
