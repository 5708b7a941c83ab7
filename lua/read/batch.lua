-- batch(now, batch) -> the batch or false
-- Shows a batch: its state, its counters and the jids of its call-backs.
-- Errors: BADARG
-- Events: none

local batches = require("lib.batches")
local check = require("lib.check")
local session = require("lib.session")

local now, batch = unpack(ARGV)
check.name("batch", batch)
session.read(now)

return cmsgpack.pack(batches.show(batch) or false)
