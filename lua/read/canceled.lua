-- canceled(now, after, count, filters) -> {total, jobs, looked_at, after}
-- Looks at the next canceled jobs that are kept, the newest first, from behind `after`, and lists
-- those that match. The filters are patterns, in which a star matches any characters, by jid,
-- queue, klass, tag, user, by and reason. The after of the reply says where to continue; at the end
-- there is none.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local cursor = require("lib.core.cursor")
local glob = require("lib.core.glob")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local session = require("lib.core.session")
local view = require("lib.job.canceled_view")

local FIELDS = { jid = true, queue = true, klass = true, tag = true, user = true, by = true,
  reason = true }

local now, after, count, filters = unpack(ARGV)
local behind = cursor.read(after)
local size = check.integer("count", count, 0, limits.small_page)
local wanted = {}
for field, pattern in pairs(check.options("filters", filters, FIELDS)) do
  wanted[field] = glob.compiled(check.text(field, pattern, limits.reason))
end
session.read(now)

local jobs, looked_at, rest = view.page(behind, size, wanted)

return cmsgpack.pack({ total = redis.call("ZCARD", keys.canceled_jobs()), jobs = jobs,
  looked_at = looked_at, after = rest })
