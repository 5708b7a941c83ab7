-- The messages that a call publishes. Names need no escaping in their JSON; free text goes through
-- `quoted`.

local session = require("lib.core.session")

local events = {}

events.quoted = cjson.encode

-- An event about a job on the channel `log`. `more` is JSON that continues the object.
function events.log(s, event, jid, queue, more)
  session.publish(s, "log",
    '{"event":"' .. event .. '","jid":"' .. jid .. '","queue":"' .. (queue or "") .. '"'
      .. (more or "") .. "}")
end

-- The plain jid on a channel named after the event, for tracked jobs only.
function events.tracked(s, channel, job)
  if job.record.tracked then
    session.publish(s, channel, job.jid)
  end
end

-- Notifies a worker, on its own channel, that it no longer holds a job; logs lost leases as well.
function events.lost(s, job, event)
  local record = job.record
  local text = '{"event":"' .. event .. '","jid":"' .. job.jid .. '","queue":"' .. record.queue
    .. '","worker":"' .. record.worker .. '","lease":"' .. record.lease .. '"}'
  session.publish(s, "worker:" .. record.worker, text)
  if event == "lock_lost" then
    session.publish(s, "log", text)
  end
end

return events
