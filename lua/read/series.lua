-- series(now, queue, from, to, resolution) -> list of records
-- Lists the statistics of a queue per minute or per ten minutes, between two instants: maps with
-- minute or ten, counters, wait and run, wait_buckets and run_buckets. What is 0 or empty may be
-- missing.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local report = require("lib.stats.report")
local session = require("lib.core.session")

local now, queue, from, to, resolution = unpack(ARGV)
check.name("queue", queue)
local low = check.integer("from", from, 0, 2 ^ 52)
local high = check.integer("to", to, 0, 2 ^ 52)
check.one_of("resolution", resolution, report.RESOLUTIONS)
session.read(now)

return report.series(queue, low, high, resolution)
