-- throttle(now, throttle, offset, count) -> the throttle with its holders and parked jobs
-- Shows the limits of a throttle, what is left of them, and pages of its holders [jid, since] and
-- of its parked jobs, the longest there first. For queue:<q> the holders are its running jobs, and
-- since is the end of the lease. A throttle without limits has none.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local limits = require("lib.core.limits")
local session = require("lib.core.session")
local settings = require("lib.admission.throttle_settings")

local now, throttle, offset, count = unpack(ARGV)
settings.check_id("throttle", throttle)
local from = check.integer("offset", offset, 0, 2 ^ 52)
local size = check.integer("count", count, 0, limits.page)
local s = session.read(now)

local shown = settings.show(s, throttle)
shown.holders, shown.waiting = settings.show_jobs(throttle, from, size)

return cmsgpack.pack(shown)
