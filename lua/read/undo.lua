-- undo(now, id) -> number
-- Returns how many changes of a bulk action can be undone.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local session = require("lib.core.session")

local now, id = unpack(ARGV)
check.name("id", id)
session.read(now)

return cmsgpack.pack(redis.call("ZCARD", keys.undo(id)))
