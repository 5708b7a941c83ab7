-- The messages that a call publishes. Names need no escaping in their JSON; free text goes through
-- `quoted`.

local session = require("lib.core.session")

local events = {}

events.quoted = cjson.encode

-- Bytes of the message of a failure that the stream keeps.
local MESSAGE = 1000

-- The JSON of an event about a job; `more` continues the object.
local function text_of(event, jid, queue, more)
  return '{"event":"' .. event .. '","jid":"' .. jid .. '","queue":"' .. (queue or "") .. '"'
    .. (more or "") .. "}"
end

-- The same for the stream, which names the klass and the worker too; nil while the stream is off.
local function stored(s, text, klass, worker)
  return s.stream_limit and klass
    and string.sub(text, 1, -2) .. ',"klass":' .. cjson.encode(klass)
      .. (worker and ',"worker":"' .. worker .. '"' or "") .. "}"
end

-- An event about a job on the channel `log`. `more` is JSON that continues the object; klass and
-- worker are only in the stream.
function events.log(s, event, jid, queue, more, klass, worker)
  local text = text_of(event, jid, queue, more)
  session.publish(s, "log", text, stored(s, text, klass, worker))
end

-- An event about a job that is in the stream, but not on the channel `log`.
function events.record(s, event, job, more)
  if s.stream_limit then
    local record = job.record
    session.record(s, stored(s, text_of(event, job.jid, record.queue, more), record.klass))
  end
end

-- The failure of a job. The stream keeps a short message.
function events.failed(s, job, group, message, worker)
  local record = job.record
  local function more(longest)
    return ',"worker":"' .. worker .. '","group":' .. cjson.encode(group) .. ',"message":'
      .. cjson.encode(string.sub(message, 1, longest))
  end
  local short = s.stream_limit and text_of("failed", job.jid, record.queue, more(MESSAGE))
  session.publish(s, "log", text_of("failed", job.jid, record.queue, more(-1)),
    short and stored(s, short, record.klass))
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
    session.publish(s, "log", text, stored(s, text, record.klass))
  end
end

return events
