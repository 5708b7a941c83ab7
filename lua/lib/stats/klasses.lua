-- Counters by klass, for monitors. They are off unless the option klass-stats says how many klasses
-- are counted: the first ones by name, all others together.

local keys = require("lib.core.keys")
local stored = require("lib.core.stored")

local klasses = {}

-- The name under which klasses are counted that have no place of their own.
klasses.OTHER = "_other"

-- The name under which a klass is counted, and its counters so far.
local function find(s, klass)
  local key = keys.klasses()
  local packed = redis.call("HGET", key, klass)
  if not packed and redis.call("HLEN", key) >= s.klass_limit then
    klass = klasses.OTHER
    packed = redis.call("HGET", key, klass)
  end
  return klass, packed and stored.unpack(packed) or {}
end

-- Adds what the call counted.
function klasses.write(s)
  for klass, sums in pairs(s.klasses) do
    local name, total = find(s, klass)
    for field, number in pairs(sums) do
      total[field] = (tonumber(total[field]) or 0) + number
    end
    redis.call("HSET", keys.klasses(), name, cmsgpack.pack(total))
  end
end

-- Forgets all counters when they are switched off.
function klasses.switch(limit)
  if limit == 0 then
    redis.call("DEL", keys.klasses())
  end
end

return klasses
