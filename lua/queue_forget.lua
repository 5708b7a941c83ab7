-- queue_forget(now, request, queues) -> number of queues
-- Removes queues and their statistics from the list of known queues. Their jobs and throttles stay,
-- and the next put lists a queue again. Of a queue without jobs nothing is left: its pause and its
-- own options go, too.
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

local function has_jobs(queue)
  local number = redis.call("EXISTS", keys.waiting(queue), keys.shared(queue),
    keys.throttled(queue), keys.scheduled(queue), keys.depends(queue), keys.running(queue),
    keys.queue_recurring(queue))
  return number > 0
end

local function forget_settings(queue)
  redis.call("DEL", keys.wake(queue), keys.finish(queue))
  redis.call("HDEL", keys.meta(), "paused:" .. queue, "config:" .. queue .. "-heartbeat",
    "config:" .. queue .. "-retry-policy")
  redis.call("ZREM", keys.due(), "pause:" .. queue, "leases:" .. queue, "scheduled:" .. queue,
    "recurring:" .. queue)
end

local number = 0
for _, queue in ipairs(names) do
  number = number + redis.call("ZREM", keys.queues(), queue)
  subqueues.unmark_fair(queue)
  redis.call("DEL", keys.queue_now(queue), keys.minutes(queue), keys.tens(queue), keys.days(queue),
    keys.totals(queue))
  if not has_jobs(queue) then
    forget_settings(queue)
  end
end

return session.close(s, number)
