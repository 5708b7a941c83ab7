-- One call of a transition: its time, its counters, what it will publish, what it will answer.
-- A script opens it, checks, writes, and closes it; nothing is published before close.

local clock = require("lib.core.clock")
local errors = require("lib.core.errors")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")

local session = {}

session.SCHEMA = "1"

local function split(request)
  if type(request) ~= "string" or #request > 100 then
    errors.bad("request is not lane:sequence:index")
  end
  local lane, sequence, index = string.match(request, "^(%w+):(%d+):(%d+)$")
  if not lane or #sequence > 14 or #index > 4 then
    errors.bad("request is not lane:sequence:index")
  end
  return lane .. ":" .. index, sequence
end

-- The memory of a request is its sequence, a colon, and the reply.
local function recall(value)
  if not value then
    return -1
  end
  local colon = string.find(value, ":", 1, true)
  return tonumber(string.sub(value, 1, colon - 1)), string.sub(value, colon + 1)
end

-- The reply of an earlier run of the same request, or nil; an older one is refused.
local function remembered(key, sequence)
  local value = redis.call("GET", key)
  local known, reply = recall(value)
  if known == tonumber(sequence) then
    return reply
  elseif known > tonumber(sequence) then
    errors.raise("STALEREQUEST", "A later request of this lane was already answered")
  end
  return nil
end

-- What is known of a request, for a caller who got no answer.
function session.ask(request)
  local slot, sequence = split(request)
  local known, reply = recall(redis.call("GET", keys.request(slot)))
  if known < tonumber(sequence) then
    return { state = "unknown" }
  elseif known > tonumber(sequence) then
    return { state = "older" }
  end
  return { state = "done", reply = reply }
end

local function new(meta, last, now, kind, rewound)
  local sequence = tonumber(meta[4] or 0)
  return {
    now = now,
    -- The same as text: the server is slow at writing numbers, so this is done once in a call.
    stamp = string.format("%.0f", now),
    last = last,
    before = sequence,
    sequence = sequence,
    tracking = meta[5] and meta[5] ~= "0",
    history = tonumber(meta[6] or 100),
    data_limit = tonumber(meta[7] or limits.data),
    meta = meta,
    first = not meta[1] and kind,
    rewound = rewound,
    messages = {},
    counters = {},
  }
end

-- Opens the call. `fields` are further fields of meta, found in s.meta from index 8 on.
-- The second value, if any, is the reply that the same request was given before.
function session.open(now, request, ...)
  local meta = redis.call("HMGET", keys.meta(), "schema", "clock", "time", "sequence", "tracking",
    "config:max-job-history", "config:max-data-size", ...)
  if meta[1] and meta[1] ~= session.SCHEMA then
    errors.raise("SCHEMA", "The keyspace has schema " .. meta[1] .. ", not " .. session.SCHEMA)
  end
  local last = tonumber(meta[3] or 0)
  local s = new(meta, last, clock.read(now, meta[2], last))
  if request ~= "" then
    local slot
    slot, s.request = split(request)
    s.slot = keys.request(slot)
    local again = remembered(s.slot, s.request)
    if again then
      return s, again
    end
  end
  return s, nil
end

-- A query's view of the same: it cannot write, so it is never closed.
function session.read(now, ...)
  return (session.open(now, "", ...))
end

-- A number that no other job, hand-out or list of this namespace has.
function session.next(s)
  s.sequence = s.sequence + 1
  return s.sequence
end

function session.publish(s, channel, message)
  local messages = s.messages
  messages[#messages + 1] = channel
  messages[#messages + 1] = message
end

local function write_meta(s)
  local kind = s.first
  if not kind then
    -- Calls of one millisecond that number nothing leave nothing to remember.
    if s.now ~= s.last or s.sequence ~= s.before then
      redis.call("HSET", keys.meta(), "time", s.stamp, "sequence", s.sequence)
    end
    return
  end
  redis.call("HSET", keys.meta(), "schema", session.SCHEMA, "clock", kind, "time", s.stamp,
    "sequence", s.sequence)
  redis.call("ZADD", keys.due(), "NX", s.now + 60000, "sweep")
end

-- Ends the call: counters, clock, memory of the reply, then the events. `memory`, if given, is
-- remembered in place of a large reply, by a script that can make the reply anew from it.
function session.close(s, reply, memory)
  if s.rewound then
    require("lib.core.clock_set_back").begin(s)
  end
  if s.throttles then
    require("lib.admission.throttles").write(s)
  end
  if next(s.counters) then
    require("lib.stats.stats").write(s)
  end
  write_meta(s)
  local packed = cmsgpack.pack(reply)
  if s.slot then
    local kept = memory and cmsgpack.pack(memory) or packed
    redis.call("SET", s.slot, s.request .. ":" .. kept, "PX", limits.reply)
  end
  local messages = s.messages
  for i = 1, #messages, 2 do
    redis.call("PUBLISH", keys.channel(messages[i]), messages[i + 1])
  end
  return packed
end

return session
