-- batch_data(now, batch) -> data or false
-- Shows the data that a batch was given when it was opened.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local session = require("lib.core.session")

local now, batch = unpack(ARGV)
check.name("batch", batch)
session.read(now)

return cmsgpack.pack(redis.call("GET", keys.batch_data(batch)))
