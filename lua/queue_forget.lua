-- queue_forget(now, request, queues) -> number of queues
-- Removes queues and their statistics from the list of known queues. Their jobs and throttles stay,
-- and the next put lists a queue again.
-- Errors: BADARG
-- Events: none
-- Flags: allow-oom

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local session = require("lib.core.session")
local subqueues = require("lib.admission.subqueues")

local now, request, queues = unpack(ARGV)
local names = check.packed_names("queues", queues, 1)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end

local number = 0
for _, queue in ipairs(names) do
  number = number + redis.call("ZREM", keys.queues(), queue)
  subqueues.unmark_fair(queue)
  redis.call("DEL", keys.queue_now(queue), keys.minutes(queue), keys.tens(queue), keys.days(queue))
end

return session.close(s, number)
