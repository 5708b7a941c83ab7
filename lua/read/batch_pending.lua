-- batch_pending(now, batch, kind, cursor) -> {cursor, names}
-- Lists members that a batch still waits for, in no order: those of the kind "jobs" by their jids,
-- or "batches", which are nested in it. Each call returns some, perhaps none, and the cursor for
-- the next one, 0 at the end; the first cursor is 0.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local session = require("lib.core.session")

local KINDS = { jobs = keys.members, batches = keys.inner }

local now, batch, kind, cursor = unpack(ARGV)
check.name("batch", batch)
local key = KINDS[check.one_of("kind", kind, KINDS)](batch)
local from = check.integer("cursor", cursor, 0, 2 ^ 52)
session.read(now)

local reply = redis.call("SSCAN", key, string.format("%.0f", from), "COUNT", limits.call)

return cmsgpack.pack({ cursor = reply[1], names = reply[2] })
