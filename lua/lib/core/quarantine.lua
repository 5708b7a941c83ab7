-- Copies of keys that nobody could read; lib.core.guard makes them.

local keys = require("lib.core.keys")

local quarantine = {}

-- Copies of one key that lib.core.guard keeps.
local COPIES = 9

-- Deletes one copy.
function quarantine.forget(_, copy)
  redis.call("UNLINK", keys.quarantined_copy(copy))
  return redis.call("ZREM", keys.quarantined(), copy) == 1
end

-- Deletes every copy of a key, given without its namespace; returns whether there was one.
function quarantine.forget_all(name)
  local found = redis.call("EXISTS", keys.quarantined_copy(name)) == 1
  if not found then
    return false
  end
  quarantine.forget(nil, name)
  for number = 2, COPIES do
    quarantine.forget(nil, name .. "#" .. number)
  end
  return true
end

return quarantine
