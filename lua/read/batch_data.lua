-- batch_data(now, batch) -> data or false
-- Gives what a batch was told to remember when it was opened.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local session = require("lib.core.session")

local now, batch = unpack(ARGV)
check.name("batch", batch)
session.read(now)

return cmsgpack.pack(redis.call("GET", keys.batch_data(batch)))
