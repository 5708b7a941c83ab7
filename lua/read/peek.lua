-- peek(now, queue, offset, count) -> list of views
-- Shows what pop would hand out next, if no throttle refused it, and changes nothing; where users
-- take turns, as far as the first hundred.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local limits = require("lib.core.limits")
local peek = require("lib.queue.peek")
local session = require("lib.core.session")

local now, queue, offset, count = unpack(ARGV)
check.name("queue", queue)
local from = check.integer("offset", offset, 0, 2 ^ 52)
local size = check.integer("count", count, 0, limits.call)
local fair = "fair:" .. queue
local s = session.read(now, fair)

return cmsgpack.pack(peek.views(s, queue, s.meta[fair], from, size))
