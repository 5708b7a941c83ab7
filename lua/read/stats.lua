-- stats(now, queue, day) -> {retries, failed, failures, wait, run}
-- Sums up one day (its number since the epoch; empty: today) of a queue, times in milliseconds.
-- Errors: BADARG
-- Events: none

local check = require("lib.check")
local report = require("lib.report")
local session = require("lib.session")
local series = require("lib.series")
local stats = require("lib.stats")

local now, queue, day = unpack(ARGV)
check.name("queue", queue)
local wanted = day ~= "" and check.integer("day", day, 0, 100000000)
local s = session.read(now)

return cmsgpack.pack(report.day(s, queue, wanted or series.day_of(stats.minute(s.now))))
