-- Reads stored values without trusting their form.

local stored = {}

-- A packed list or map; nil for anything else.
function stored.unpack(packed)
  local is_packed, value = pcall(cmsgpack.unpack, packed)
  return is_packed and type(value) == "table" and value or nil
end

-- The list or map that a key holds. One that cannot be read is set aside, and counts as missing.
function stored.get(key)
  local packed = redis.call("GET", key)
  local value = packed and stored.unpack(packed)
  if packed and not value then
    redis.quarantine(key)
  end
  return value or nil
end

-- The instant that a member of a set of ready jobs begins with; 0 for any other member.
function stored.ready_at(member)
  return #member >= 12 and struct.unpack(">I6", member) or 0
end

-- The same, and the number of its arrival.
function stored.order(member)
  if #member < 12 then
    return 0, 0
  end
  return struct.unpack(">I6I6", member)
end

return stored
