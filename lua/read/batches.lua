-- batches(now, after, scan, count, options) -> {total, batches, examined, after}
-- Lists batches, the one that was opened or finished last in front, from behind `after`. At most
-- `scan` batches are examined, until `count` of them fit the options: name (a pattern), phases
-- (open, running, complete, failed, canceled), within (the batch around them), and workflows
-- (whether they belong to workflows). The after of the reply says where to continue; at the end
-- there is none. `total` is the number of all batches.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local cursor = require("lib.core.cursor")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local listing = require("lib.batch.listing")
local session = require("lib.core.session")

local now, after, scan, count, options = unpack(ARGV)
local behind = cursor.read(after)
local most = check.integer("scan", scan, 1, limits.small_page)
local size = check.integer("count", count, 1, limits.call)
local wanted = listing.read(options)
session.read(now)

local page = listing.page(wanted, behind, most, size)
page.total = redis.call("ZCARD", keys.batches())

return cmsgpack.pack(page)
