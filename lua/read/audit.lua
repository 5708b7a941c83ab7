-- audit(now, before, since, limit, filter) -> map: entries, cursor, limit
-- Lists entries of the audit log, the newest first: those older than the id `before` ("" for all)
-- and not older than `since` (ms). Filter: patterns of who, action and target, in which a star
-- matches any characters; door and outcome. A call examines about 1,000 entries; `cursor` is the id
-- behind which to go on, "" at the end. The limit in the reply is the option audit-log.
-- Errors: BADARG
-- Events: none

local audit_search = require("lib.core.audit_search")
local check = require("lib.core.check")
local config = require("lib.core.config")
local limits = require("lib.core.limits")
local session = require("lib.core.session")

local now, before, since, limit, filter = unpack(ARGV)
local position = audit_search.position(before)
local oldest = check.integer("since", since, 0, 2 ^ 52)
local count = check.integer("limit", limit, 1, limits.page)
local patterns = audit_search.filter(filter)
local s = session.read(now, "config:audit-log")

local entries, cursor = audit_search.page(position, oldest, count, patterns)

return cmsgpack.pack({
  entries = entries,
  cursor = cursor,
  limit = tonumber(s.meta["config:audit-log"] or config.DEFAULTS["audit-log"]),
})
