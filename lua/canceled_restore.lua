-- canceled_restore(now, request, jids) -> list of "done" or "CODE detail"
-- Restores up to 100 canceled jobs, each judged by itself, parents first: into its queue with its
-- age, its retries left and its options, or failed as it was. A job that was running waits. One
-- whose jid or unique key is taken, whose batch is closed, or which waits for a job that is itself
-- canceled, is refused.
-- Errors: BADARG
-- Events: put
-- Flags: none

local check = require("lib.core.check")
local restore = require("lib.job.canceled_restore")
local session = require("lib.core.session")

local now, request, jids = unpack(ARGV)
local names = check.packed_names("jids", jids, 1)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end

return session.close(s, restore.run(s, names))
