-- restore(now, request, remember, jobs, data...) -> list of [jid, whether it took effect]
-- Restores 1 to 100 jobs of an export, all of them or none, with their age, their retries left and
-- their failure. The i-th argument after jobs is the data of the i-th job; results follow. A job
-- whose jid exists or is remembered is left alone, and each jid is remembered for so many ms from
-- now on, so that restoring it again does nothing even if it has run and is gone.
-- Errors: BADARG TOOLARGE EXISTS CYCLE NOBATCH BATCHCLOSED
-- Events: put
-- Flags: none

local check = require("lib.core.check")
local limits = require("lib.core.limits")
local restore = require("lib.job.restore")
local session = require("lib.core.session")

local now, request, remember, jobs = unpack(ARGV, 1, 4)
local span = check.integer("remember", remember, 0, 3155760000000)
local specs = check.packed_list("jobs", jobs, 1, limits.call)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local plans = restore.check(s, specs, { unpack(ARGV, 5) })

return session.close(s, restore.apply(s, plans, span))
