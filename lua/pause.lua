-- pause(now, request, queues, options) -> true
-- Pauses queues, for good or until an instant: pop takes nothing from them. Options: reason, until,
-- by.
-- Errors: BADARG
-- Events: paused
-- Flags: allow-oom

local check = require("lib.core.check")
local events = require("lib.core.events")
local keys = require("lib.core.keys")
local queue_lib = require("lib.queue.queue")
local session = require("lib.core.session")
local throttle_wakeup = require("lib.admission.throttle_wakeup")

local now, request, queues, options = unpack(ARGV)
local names = check.packed_names("queues", queues, 1)
local pause = check.options("options", options, { reason = true, ["until"] = true, by = true })
check.text("reason", pause.reason or "", 1024)
check.text("by", pause.by or "", 255)
check.count("until", pause["until"] or 0, 0, 4503599627370495)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
pause.since = s.now

for _, queue in ipairs(names) do
  redis.call("HSET", keys.meta(), "paused:" .. queue, cmsgpack.pack(pause))
  redis.call("ZADD", keys.queues(), "NX", s.now, queue)
  if pause["until"] then
    redis.call("ZADD", keys.due(), pause["until"], "pause:" .. queue)
  else
    redis.call("ZREM", keys.due(), "pause:" .. queue)
  end
  queue_lib.wake(queue)
  throttle_wakeup.queue_paused(s, queue)
  session.publish(s, "log", '{"event":"paused","queue":"' .. queue .. '","reason":'
    .. events.quoted(pause.reason or "") .. "}")
end

return session.close(s, true)
