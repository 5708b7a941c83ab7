-- parents(now, jids) -> list of maps from a parent to [policy, whether the job still waits for it]
-- Shows the parents of up to 100 jobs, in the order given. At most 1000 parents are shown in all.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local session = require("lib.core.session")

local now, jids = unpack(ARGV)
local names = check.packed_names("jids", jids, 0)
session.read(now)

local left = limits.edges

local function parents_of(jid)
  local shown = {}
  if redis.call("HLEN", keys.parents(jid)) > left then
    return false
  end
  local edges = redis.call("HGETALL", keys.parents(jid))
  for i = 1, #edges, 2 do
    local waits = redis.call("SISMEMBER", keys.dependencies(jid), edges[i]) == 1
    shown[edges[i]] = { string.match(edges[i + 1], "^%a+") or "wait", waits }
    left = left - 1
  end
  return shown
end

local found = {}
for i, jid in ipairs(names) do
  found[i] = parents_of(jid)
end

return cmsgpack.pack(found)
