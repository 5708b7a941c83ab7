-- klass_series(now, klass, from, to, resolution) -> list of records
-- Lists the statistics of a klass per minute or per ten minutes, between two instants: maps with
-- minute or ten, counters, wait_buckets and run_buckets. What is 0 or empty may be missing. Klasses
-- beyond the option klass-stats are counted together as "_other".
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local klasses = require("lib.stats.klasses")
local report = require("lib.stats.report")
local session = require("lib.core.session")

local now, klass, from, to, resolution = unpack(ARGV)
check.line("klass", klass)
local low = check.integer("from", from, 0, 2 ^ 52)
local high = check.integer("to", to, 0, 2 ^ 52)
check.one_of("resolution", resolution, report.RESOLUTIONS)
session.read(now)

local key = resolution == "minute" and keys.klass_minutes(klass) or keys.klass_tens(klass)
return report.rows(key, klasses.current(klass), low, high, resolution)
