-- batch(now, batch) -> the batch or false
-- Shows a batch: its state, its counters and the jids of its call-backs.
-- Errors: BADARG
-- Events: none

local batches = require("lib.batch.batches")
local check = require("lib.core.check")
local session = require("lib.core.session")

local now, batch = unpack(ARGV)
check.name("batch", batch)
session.read(now)

return cmsgpack.pack(batches.show(batch) or false)
