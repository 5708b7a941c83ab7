-- discard(now, request, jid, lease) -> jid
-- Deletes a running job on behalf of its worker, as cancel does. Refused while others depend on it.
-- Errors: BADARG NOJOB LOSTLEASE FINISHED HASDEPENDENTS
-- Events: canceled failed put conflict
-- Flags: allow-oom

local lease_lib = require("lib.job.lease")
local removal = require("lib.job.removal")
local session = require("lib.core.session")

local now, request, jid, lease = unpack(ARGV)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local job = lease_lib.load(jid, lease)
removal.refuse_dependents(jid, {})

removal.cancel(s, job, { by = job.record.worker, reason = "Canceled by its handler" })
require("lib.job.releases").drain_some(s)

return session.close(s, jid)
