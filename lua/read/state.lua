-- state(now, state, queue, offset, count) -> {total, jids}
-- Pages through the jobs of one state. Scheduled jobs that are due and parked ones that may run now
-- count as waiting, running ones with an expired lease as stalled.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local limits = require("lib.core.limits")
local listing = require("lib.queue.listing")
local session = require("lib.core.session")

local now, state, queue, offset, count = unpack(ARGV)
local from = check.integer("offset", offset, 0, 2 ^ 52)
local size = check.integer("count", count, 0, limits.page)
local s = session.read(now)

return cmsgpack.pack(listing.page(s, state, queue, from, size))
