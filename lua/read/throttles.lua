-- throttles(now, after, count) -> {total, throttles, after}
-- Lists throttles with limits, the one set first in front, from behind `after`. The after of the
-- reply says where to continue; at the end there is none.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local cursor = require("lib.core.cursor")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local session = require("lib.core.session")
local settings = require("lib.admission.throttle_settings")

local now, after, count = unpack(ARGV)
local behind = cursor.read(after)
local size = check.integer("count", count, 0, limits.small_page)
local s = session.read(now)

local key = keys.throttles()
local ids, scores, rest = cursor.page(key, behind, size)
local shown = settings.show_all(s, ids, scores)

return cmsgpack.pack({ total = redis.call("ZCARD", key), throttles = shown, after = rest })
