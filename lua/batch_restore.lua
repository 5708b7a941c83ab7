-- batch_restore(now, request, batch, fields, data...) -> whether it was restored
-- Restores a batch of an export with the counts of its members that have ended, and with its
-- callbacks, of which those in fired are not put again. A batch that exists is left alone. Unless
-- it had finished it is open: jobs are restored into it, then it is closed. data, and that of each
-- callback, is the position of an argument after fields.
-- Errors: BADARG TOOLARGE NOBATCH BATCHCLOSED
-- Events: none
-- Flags: none

local check = require("lib.core.check")
local restored_batch = require("lib.batch.restored_batch")
local session = require("lib.core.session")

local now, request, batch, fields = unpack(ARGV, 1, 4)
check.name("batch", batch)
local given = restored_batch.read(fields)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local plan = restored_batch.check(s, batch, given, { unpack(ARGV, 5) })

return session.close(s, restored_batch.apply(s, plan))
