-- queue_forget(now, request, queues) -> number of queues
-- Takes queues and their statistics off the list of known ones; their jobs stay, and so does the
-- throttle of a queue. The next put lists them again.
-- Errors: BADARG
-- Events: none
-- Flags: allow-oom

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local session = require("lib.core.session")
local subqueues = require("lib.admission.subqueues")

local now, request, queues = unpack(ARGV)
local names = check.packed_names("queues", queues, 1)

local s, again = session.open(now, request)
if again then
  return again
end

local number = 0
for _, queue in ipairs(names) do
  number = number + redis.call("ZREM", keys.queues(), queue)
  subqueues.unmark(queue)
  redis.call("DEL", keys.queue_now(queue), keys.minutes(queue), keys.tens(queue), keys.days(queue))
end

return session.close(s, number)
