-- discard(now, request, jid, lease) -> jid
-- Deletes a running job on behalf of its worker, as cancel does. Refused while others depend on it.
-- Errors: BADARG NOJOB LOSTLEASE FINISHED HASDEPENDENTS
-- Events: canceled failed put
-- Flags: allow-oom

local lease_lib = require("lib.job.lease")
local removal = require("lib.job.removal")
local session = require("lib.core.session")

local now, request, jid, lease = unpack(ARGV)

local s, again = session.open(now, request)
if again then
  return again
end
local job = lease_lib.load(jid, lease)
removal.refuse_dependents(jid, {})

removal.cancel_from_anywhere(s, job)
require("lib.job.releases").after(s)

return session.close(s, jid)
