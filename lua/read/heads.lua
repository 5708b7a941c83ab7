-- heads(now, queues) -> milliseconds that the first waiting job of each queue has been ready
-- Shows how long the first job of each queue has waited, -1 where none waits. Scheduled jobs that
-- are due count from then.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local session = require("lib.core.session")
local stored = require("lib.core.stored")

local now, queues = unpack(ARGV)
local names = check.packed_names("queues", queues, 1)
local s = session.read(now)

-- The instant since which the first job of a set is ready, or nil. Its member begins with that.
local function ready_at(key)
  local head = redis.call("ZRANGE", key, 0, 0)[1]
  return head and stored.ready_at(head)
end

local function due_at(key)
  local head = redis.call("ZRANGE", key, 0, 0, "WITHSCORES")
  local at = tonumber(head[2])
  return at and at <= s.now and at or nil
end

local ages = {}
for i, queue in ipairs(names) do
  local at = math.min(ready_at(keys.waiting(queue)) or math.huge,
    ready_at(keys.shared(queue)) or math.huge, due_at(keys.scheduled(queue)) or math.huge)
  ages[i] = at < math.huge and math.max(s.now - at, 0) or -1
end

return cmsgpack.pack(ages)
