-- Wakes idle workers whatever their queues are, since every pop does the maintenance of the
-- namespace. Needed where a call leaves work that belongs to no queue that a job waits in.

local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local queue_lib = require("lib.queue.queue")
local stored = require("lib.core.stored")

local idle_workers = {}

-- Wakes a worker that pops from this list: by the first of its queues that is known, and by the
-- marker of new queues where the list has a pattern.
local function wake_one_of(entries)
  local names, has_pattern = {}, false
  for i = 1, math.min(#entries, limits.call) do
    local entry = tostring(entries[i])
    if string.find(entry, "*", 1, true) then
      has_pattern = has_pattern or string.sub(entry, 1, 1) ~= "!"
    else
      names[#names + 1] = entry
    end
  end
  if has_pattern then
    redis.call("ZADD", keys.new_queues(), 0, "work")
  end
  local known = #names > 0 and redis.call("ZMSCORE", keys.queues(), unpack(names)) or {}
  for i, name in ipairs(names) do
    if known[i] then
      queue_lib.wake(name)
      return
    end
  end
end

-- An idle worker pops again and again, so its list is among those that were popped last.
function idle_workers.wake()
  for _, packed in ipairs(redis.call("ZREVRANGE", keys.served(), 0, limits.tasks - 1)) do
    wake_one_of(stored.unpack(packed) or {})
  end
end

return idle_workers
