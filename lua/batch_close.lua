-- batch_close(now, request, batch, mark) -> the batch as read/batch shows it
-- Closes a batch: it accepts no more members, and finishes when the last one has ended. The mark
-- "canceled" records, also in a closed batch, that its members are being canceled.
-- Errors: BADARG NOBATCH
-- Events: put failed canceled conflict
-- Flags: allow-oom

local batches = require("lib.batch.batches")
local check = require("lib.core.check")
local errors = require("lib.core.errors")
local keys = require("lib.core.keys")
local session = require("lib.core.session")

local now, request, batch, mark = unpack(ARGV)
check.name("batch", batch)
check.one_of("mark", mark or "", { [""] = true, canceled = true })

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
if redis.call("EXISTS", keys.batch_record(batch)) == 0 then
  errors.raise("NOBATCH", "Batch " .. batch .. " does not exist")
end

if mark == "canceled" then
  redis.call("HSETNX", keys.batch_record(batch), "canceled_at", string.format("%.0f", s.now))
end
batches.close(s, batch)
require("lib.job.releases").drain_some(s)

return session.close(s, batches.show(batch))
