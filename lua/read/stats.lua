-- stats(now, queue, day) -> {retries, failed, failures, wait, run}
-- Sums up one day of a queue (its number since the epoch; empty for today), times in milliseconds.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local report = require("lib.stats.report")
local series = require("lib.stats.series")
local session = require("lib.core.session")
local stats = require("lib.stats.stats")

local now, queue, day = unpack(ARGV)
check.name("queue", queue)
local wanted = day ~= "" and check.integer("day", day, 0, 100000000)
local s = session.read(now)

return cmsgpack.pack(report.day(s, queue, wanted or series.day_of(stats.minute(s.now))))
