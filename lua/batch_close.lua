-- batch_close(now, request, batch) -> the batch as read/batch shows it
-- Closes a batch: it takes no more members, and ends when the last one has left.
-- Errors: BADARG NOBATCH
-- Events: put
-- Flags: allow-oom

local batches = require("lib.batches")
local check = require("lib.check")
local errors = require("lib.errors")
local keys = require("lib.keys")
local session = require("lib.session")

local now, request, batch = unpack(ARGV)
check.name("batch", batch)

local s, again = session.open(now, request)
if again then
  return again
end
if redis.call("EXISTS", keys.batch(batch)) == 0 then
  errors.raise("NOBATCH", "Batch " .. batch .. " does not exist")
end

batches.close(s, batch)
require("lib.releases").after(s)

return session.close(s, batches.show(batch))
