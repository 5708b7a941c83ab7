-- search(now, sources, after, skip, scan, wanted, conditions) -> jobs found, and where to continue
-- Searches indexes one after the other, the first from `skip` jobs behind `after`, for jobs that
-- meet all conditions. The reply is {found, scanned, skipped, total, before, at, after}. Each entry
-- of found is [jid, number of jobs looked at so far, position of its index, score, member]. `at`,
-- the position of an index, and `after` say where to continue; without `at` every index is at its
-- end. `before` is the last of the jobs left out by `skip`. `total` is the number of jobs in the
-- indexes that were looked at. `skipped` counts jobs whose long data was not read, as this call had
-- read enough. A source of failed or completed jobs may have `within`: jobs that ended longer ago
-- than so many milliseconds are left out.
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
