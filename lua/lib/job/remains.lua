-- What is left of a job whose record is gone.

local dependencies = require("lib.job.dependencies")
local keys = require("lib.core.keys")

local remains = {}

-- Keys of a job beside its record, by the fields that announce them.
remains.KEYS = {
  spilled = keys.history,
  has_failure = keys.failure,
  has_result = keys.result,
  has_progress = keys.progress,
  parents = keys.parents,
  followups = keys.followups,
}

-- Removes all edges of a job that is gone.
local function unlink(jid)
  local parents = redis.call("HKEYS", keys.parents(jid))
  for _, parent in ipairs(redis.call("SMEMBERS", keys.dependencies(jid))) do
    parents[#parents + 1] = parent
  end
  for _, parent in ipairs(parents) do
    redis.call("ZREM", keys.dependents(parent), jid)
    dependencies.drop_hold(parent, jid)
  end
  redis.call("DEL", keys.parents(jid), keys.dependencies(jid))
end

-- Deletes the further keys of a job that is gone, except a result that others need.
function remains.delete(jid)
  unlink(jid)
  for _, key in pairs(remains.KEYS) do
    if key ~= keys.result or redis.call("EXISTS", keys.holds(jid)) == 0 then
      redis.call("DEL", key(jid))
    end
  end
  redis.call("DEL", keys.data(jid))
end

return remains
