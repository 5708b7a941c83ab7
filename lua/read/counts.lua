-- counts(now, queue) -> the counts of the queue
-- Counts the jobs of one queue; due ones count as waiting.
-- Errors: BADARG
-- Events: none

local check = require("lib.check")
local listing = require("lib.listing")
local session = require("lib.session")

local now, queue = unpack(ARGV)
check.name("queue", queue)
local s = session.read(now, "paused:" .. queue)

return cmsgpack.pack(listing.counts(s, queue, s.meta[8]))
