-- counts(now, queue) -> the counts of the queue
-- Counts the jobs of one queue by state. Scheduled jobs that are due and parked ones that may run
-- now count as waiting. `head_age` is for how many milliseconds the first job has been ready, -1
-- where none waits.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local listing = require("lib.queue.listing")
local session = require("lib.core.session")

local now, queue = unpack(ARGV)
check.name("queue", queue)
local paused = "paused:" .. queue
local s = session.read(now, paused)

return cmsgpack.pack(listing.counts(s, queue, s.meta[paused]))
