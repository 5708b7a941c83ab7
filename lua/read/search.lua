-- search(now, sources, after, skip, scan, wanted, conditions) -> what was found, and where to go on
-- Looks through indexes one after the other, in the first from `skip` jobs behind `after`, for jobs
-- that meet all conditions. The reply: {found, scanned, skipped, total, before, at, after}. Each of
-- found is [jid, how many were looked at by then, place of its index, score, member]. `at`, a
-- place of an index, and `after` are where to go on; without `at` all are at their ends. `before`
-- is the last of those that `skip` left out. `skipped` are jobs whose long data was not looked
-- into, as this call had read enough.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local cursor = require("lib.core.cursor")
local limits = require("lib.core.limits")
local search = require("lib.search.search")
local session = require("lib.core.session")

local now, sources, after, skip, scan, wanted, conditions = unpack(ARGV)
local self = search.read(sources, conditions)
local behind = cursor.read(after)
local over = check.integer("skip", skip, 0, 2 ^ 52)
self.scan = check.integer("scan", scan, 1, search.SCAN)
self.wanted = check.integer("wanted", wanted, 1, limits.call)
local s = session.read(now)

return cmsgpack.pack(search.run(s, self, behind, over))
