-- peek(now, queue, offset, count) -> list of views
-- Shows which jobs pop would lease next if no throttle refused any; changes nothing. In queues with
-- users it shows the first hundred at most.
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
