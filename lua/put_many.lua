-- put_many(now, request, queue, jobs, data...) -> list of [jid, whether it took effect]
-- Puts 1 to 100 jobs, all of them or none. The i-th argument after jobs is the data of the i-th
-- job.
-- Errors: BADARG TOOLARGE EXISTS CYCLE NOBATCH BATCHCLOSED NOJOB LOSTLEASE FINISHED
-- Events: put lock_lost
-- Flags: none

local check = require("lib.core.check")
local limits = require("lib.core.limits")
local put_many = require("lib.job.put_many")
local session = require("lib.core.session")

local now, request, queue, jobs = unpack(ARGV, 1, 4)
check.name("queue", queue)
local specs = check.packed_list("jobs", jobs, 1, limits.call)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local data = { unpack(ARGV, 5) }
local plans = put_many.check(s, specs, data, { queue = queue })

return session.close(s, put_many.apply(s, plans))
