-- put(now, request, queue, jid, klass, data, options) -> [jid, whether it took effect]
-- Puts a job into a queue, or replaces the existing job with this jid.
-- Errors: BADARG TOOLARGE EXISTS CYCLE NOBATCH BATCHCLOSED NOJOB LOSTLEASE FINISHED
-- Events: put lock_lost
-- Flags: none

local put = require("lib.job.put")
local session = require("lib.core.session")

local now, request, queue, jid, klass, data, options = unpack(ARGV)
local spec = put.spec(queue, jid, klass, data, options)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local plan = put.check(s, spec)

return session.close(s, put.apply(s, plan))
