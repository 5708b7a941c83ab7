-- Repairs the copies of canceled jobs.

local canceled = require("lib.job.canceled")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")

local repair_canceled = {}

-- Deletes a copy that is not listed, cannot be read or lacks a part, and parts that no copy
-- announces.
function repair_canceled.copy(s, jid)
  local copy = canceled.find(jid)
  local is_listed = redis.call("ZSCORE", keys.canceled_jobs(), jid)
  if not is_listed or not copy or not copy.record.canceled or canceled.lacks_part(copy) then
    canceled.forget(s, jid)
    canceled.delete(jid)
    return
  end
  canceled.delete_strays(copy)
end

-- Lists what can be undone, for a day from now.
function repair_canceled.undo(s, id)
  if redis.call("EXISTS", keys.undo(id)) == 1 then
    redis.call("ZADD", keys.undos(), "NX", s.now + limits.undo, id)
  end
end

return repair_canceled
