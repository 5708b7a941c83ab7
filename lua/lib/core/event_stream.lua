-- The stream of events: the messages of the channel `log` and a few more, kept for readers that
-- come later. It is written by the call that made the events, so it misses none.
--
-- The id of an event is its time in ms and its number. Numbers count the events of the namespace
-- without gaps, and the last id is kept in meta, so a reader that knows the id before notices every
-- event that it missed: trimmed, not written for want of a permission, or lost with the key.

local errors = require("lib.core.errors")
local keys = require("lib.core.keys")

local event_stream = {}

-- Refuses a reader while no events are kept.
function event_stream.check_kept(s)
  if not s.stream_limit then
    errors.raise("STREAMOFF", "The event stream is off; set the option event-stream to the number "
      .. "of events to keep")
  end
end

-- The id of the event that comes `count` after the newest one. Its time is never earlier than that
-- of the newest one, even if the clock was set back.
local function next_id(s, count)
  local ms, number = string.match(s.last_event or "", "^(%d+)-(%d+)$")
  local at = math.max(s.now, tonumber(ms) or 0)
  return string.format("%.0f-%.0f", at, (tonumber(number) or 0) + count)
end

local function add(s, id, text)
  local key = keys.stream()
  local reply = redis.pcall("XADD", key, "MAXLEN", "~", s.stream_limit, id, "event", text)
  local why = type(reply) == "table" and reply.err or ""
  local is_damaged = string.find(why, "WRONGTYPE", 1, true)
    -- Something else has added an entry with a later id.
    or string.find(why, "XADD is equal", 1, true) or string.find(why, "exhausted", 1, true)
  if is_damaged and redis.quarantine(key) then
    redis.pcall("XADD", key, "MAXLEN", "~", s.stream_limit, id, "event", text)
  end
end

-- Writes the events of a call. All else is written by now, so an event that is refused (a user
-- without the permission) is skipped: its number is used, and readers see that it is missing.
function event_stream.write(s)
  local count = #s.stream
  redis.call("HSET", keys.meta(), "events", next_id(s, count))
  for i, text in ipairs(s.stream) do
    add(s, next_id(s, i), text)
  end
end

-- Refuses to turn the stream off while webhooks need it.
function event_stream.refuse_webhooks()
  if redis.call("HLEN", keys.webhooks()) > 0 then
    errors.raise("BADCONFIG", "event-stream is needed by webhooks: remove these first")
  end
end

-- Applies a new value of the option event-stream. Turning the stream on again skips a number, so
-- that readers from before see a gap.
function event_stream.switch(s, limit)
  if limit == 0 then
    redis.call("UNLINK", keys.stream())
    s.stream_limit, s.stream = nil, {}
    return
  end
  if not s.stream_limit and s.last_event then
    s.last_event = next_id(s, 1)
  end
  s.stream_limit = limit
end

return event_stream
