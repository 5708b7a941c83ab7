-- webhook_dispatch(now, request, from, to, lost, jobs, data...) -> the position of the dispatchers
-- Puts up to 100 deliveries into the queue webhooks and moves the position of the dispatchers from
-- one event to another, both or neither. If another dispatcher has moved it meanwhile, nothing is
-- put. With lost (how many events were missed at least, or "?"), notes a gap. The i-th argument
-- after jobs is the data of the i-th job.
-- Errors: BADARG TOOLARGE
-- Events: put lock_lost webhook_gap
-- Flags: none

local check = require("lib.core.check")
local limits = require("lib.core.limits")
local put_many = require("lib.job.put_many")
local session = require("lib.core.session")
local webhooks = require("lib.webhook.webhooks")

local now, request, from, to, lost, jobs = unpack(ARGV, 1, 6)
local specs = check.packed_list("jobs", jobs, 0, limits.call)
webhooks.check_dispatch(from, to, lost, specs)

local s, earlier_reply = session.open(now, request, "webhooks:position")
if earlier_reply then
  return earlier_reply
end
local position = s.meta["webhooks:position"] or from
-- Events are short whatever their jobs hold, and one refused delivery would stop all webhooks.
s.data_limit = math.max(s.data_limit, limits.data)
local plans = put_many.check(s, specs, { unpack(ARGV, 7) }, {})

if position == from then
  position = to
  webhooks.move(s, from, to, lost)
  put_many.apply(s, plans)
end

return session.close(s, position)
