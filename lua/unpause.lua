-- unpause(now, request, queues) -> true
-- Ends the pauses of queues.
-- Errors: BADARG
-- Events: unpaused
-- Flags: allow-oom

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local queue_lib = require("lib.queue.queue")
local session = require("lib.core.session")

local now, request, queues = unpack(ARGV)
local names = check.packed_names("queues", queues, 1)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end

for _, queue in ipairs(names) do
  if redis.call("HDEL", keys.meta(), "paused:" .. queue) == 1 then
    redis.call("ZREM", keys.due(), "pause:" .. queue)
    queue_lib.wake(queue)
    session.publish(s, "log", '{"event":"unpaused","queue":"' .. queue .. '"}')
  end
end

return session.close(s, true)
