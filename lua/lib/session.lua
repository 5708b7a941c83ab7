-- One call of a transition: its time, its counters, what it will publish, what it will answer.
-- A script opens it, checks, writes, and closes it; nothing is published before close.

local errors = require("lib.errors")
local keys = require("lib.keys")
local clock = require("lib.clock")
local limits = require("lib.limits")

local session = {}

session.SCHEMA = "1"

local function split(request)
  if type(request) ~= "string" or #request > 100 then
    errors.bad("request is not lane:sequence:index")
  end
  local lane, sequence, index = string.match(request, "^(%w+):(%d+):(%d+)$")
  if not lane or #sequence > 15 or #index > 4 then
    errors.bad("request is not lane:sequence:index")
  end
  return lane .. ":" .. index, tonumber(sequence)
end

-- The reply of an earlier run of the same request, or nil; an older one is refused.
local function remembered(key, sequence)
  local value = redis.call("GET", key)
  if not value then
    return nil
  end
  local memory = cmsgpack.unpack(value)
  if memory[1] == sequence then
    return memory[2]
  end
  if memory[1] > sequence then
    errors.raise("STALEREQUEST", "A later request of this lane was already answered")
  end
  return nil
end

-- What is known of a request, for a caller who got no answer.
function session.ask(request)
  local slot, sequence = split(request)
  local value = redis.call("GET", keys.request(slot))
  local memory = value and cmsgpack.unpack(value)
  if not memory or memory[1] < sequence then
    return { state = "unknown" }
  elseif memory[1] > sequence then
    return { state = "older" }
  end
  return { state = "done", reply = memory[2] }
end

local function new(meta, now, kind, rewound)
  return {
    now = now,
    sequence = tonumber(meta[4] or 0),
    tracking = meta[5] and meta[5] ~= "0",
    history = tonumber(meta[6] or 100),
    data_limit = tonumber(meta[7] or limits.data),
    meta = meta,
    first = not meta[1] and { "schema", session.SCHEMA, "clock", kind } or {},
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
  local time, kind, rewound = clock.read(now, meta[2], tonumber(meta[3] or 0))
  local s = new(meta, time, kind, rewound)
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
  local fields = s.first
  local at = #fields
  fields[at + 1], fields[at + 2] = "time", s.now
  fields[at + 3], fields[at + 4] = "sequence", s.sequence
  redis.call("HSET", keys.meta(), unpack(fields))
  if s.first[1] == "schema" then
    redis.call("ZADD", keys.due(), "NX", s.now + 60000, "sweep")
  end
end

-- Ends the call: counters, clock, memory of the reply, then the events.
function session.close(s, reply)
  if s.rewound then
    require("lib.rewind").begin(s)
  end
  if next(s.counters) then
    require("lib.stats").write(s)
  end
  write_meta(s)
  local packed = cmsgpack.pack(reply)
  if s.slot then
    redis.call("SET", s.slot, cmsgpack.pack({ s.request, packed }), "PX", limits.reply)
  end
  local messages = s.messages
  for i = 1, #messages, 2 do
    redis.call("PUBLISH", keys.channel(messages[i]), messages[i + 1])
  end
  return packed
end

return session
