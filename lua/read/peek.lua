-- peek(now, queue, offset, count) -> list of views
-- Shows what pop would hand out next, and changes nothing.
-- Errors: BADARG
-- Events: none

local check = require("lib.check")
local limits = require("lib.limits")
local listing = require("lib.listing")
local session = require("lib.session")

local now, queue, offset, count = unpack(ARGV)
check.name("queue", queue)
local from = check.integer("offset", offset, 0, 2 ^ 52)
local size = check.integer("count", count, 0, limits.call)
local s = session.read(now)

return cmsgpack.pack(listing.peek(s, queue, from, size))
