-- recur_sync(now, request, group, names) -> {removed, more}
-- Deletes the recurring jobs of a group that are not among the names, at most 50 in one call; more
-- says that some are left. Their children stay.
-- Errors: BADARG
-- Events: none
-- Flags: allow-oom

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local recurrence = require("lib.recurring.recurrence")
local session = require("lib.core.session")

local now, request, group, names = unpack(ARGV)
check.name("group", group)
local kept = {}
for _, name in ipairs(check.packed_list("names", names, 0, limits.declared)) do
  kept[check.name("names", name)] = true
end

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local stale = {}
for _, jid in ipairs(redis.call("SMEMBERS", keys.declared(group))) do
  if not kept[jid] then
    stale[#stale + 1] = jid
  end
end

table.sort(stale)
local removed = {}
for i = 1, math.min(#stale, limits.housekeeping) do
  local self = recurrence.find(stale[i])
  if self then
    recurrence.remove(self)
    removed[#removed + 1] = stale[i]
  end
  redis.call("SREM", keys.declared(group), stale[i])
end

return session.close(s, { removed = removed, more = #stale > limits.housekeeping })
