-- How long the first waiting job of a queue has been ready.

local keys = require("lib.core.keys")
local stored = require("lib.core.stored")

local head = {}

-- The instant since which the first job of a set is ready, or nil. Its member begins with that.
local function ready_at(key)
  local first = redis.call("ZRANGE", key, 0, 0)[1]
  return first and stored.ready_at(first)
end

local function due_at(s, key)
  local first = redis.call("ZRANGE", key, 0, 0, "WITHSCORES")
  local at = tonumber(first[2])
  return at and at <= s.now and at or nil
end

-- The milliseconds, or -1 if no job waits. Scheduled jobs that are due count from then.
function head.age(s, queue)
  local at = math.min(ready_at(keys.waiting(queue)) or math.huge,
    ready_at(keys.shared(queue)) or math.huge, due_at(s, keys.scheduled(queue)) or math.huge)
  return at < math.huge and math.max(s.now - at, 0) or -1
end

return head
