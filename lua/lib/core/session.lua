-- A session is one call of a script: its time, what it counts, publishes and remembers.
-- A script opens it, checks, writes, and closes it; nothing is published before `close`.
--
-- Its fields (s.x), all of them. What `open` sets:
--   now                   the time of the call, in milliseconds
--   now_text              the same as text: Redis is slow at writing numbers, so it is made once
--   last_time             the time of the last call of the namespace
--   new_clock             in a new namespace, or one whose kind of clock was lost, the kind of its
--                         clock ("server" or "test"), else false
--   has_old_schema        whether an earlier version wrote the namespace
--   clock_went_back       whether the clock was set back by more than a wobble
--   sequence              the last number given out by `next`
--   sequence_at_open      the same as it was when the call began
--   has_tracked_jobs      whether any job of the namespace is tracked
--   history_limit         entries kept of a job's history, the option max-job-history
--   data_limit            bytes of data a job may have, the option max-data-size
--   stream_limit          events kept in the stream, the option event-stream; nil: it is off
--   klass_limit           klasses with statistics, the option klass-stats; nil: none
--   last_event            the id of the newest event of the stream
--   meta                  further fields of meta by their names, as the script asked for them
--   messages              what `close` will publish: channel, message, channel, message …
--   stream                events that `close` will add to the stream, if that is on
--   counters              statistics by queue, kept by lib.stats.stats and written by `close`
--   klasses               counters by klass, written with those of queues
--   request_sequence      the sequence of the request, if it has an id
--   reply_key             the key under which the reply to that request is remembered
--   reply_life            for how long, in ms, as text
-- What checks set, so that later jobs of the same call are judged as if the earlier were written:
--   planned_jids          jids that this call puts, as a set
--   planned_edges         dependents by parent that this call links
--   planned_parents       parents by dependent that this call links
--   planned_unique_keys   holders of unique keys by key, as they will be, false for a free key
--   planned_batches       batches by the jids of jobs that will be members
--   acting_jid            the running job on whose behalf the call puts jobs (complete)
--   ending_jid            the job that the call completes for good, so that nothing waits for it
--   lenient_puts          true in complete: puts that conflict are ignored instead of refused, and
--                         jobs that cost more than a throttle holds are parked
-- What writing sets:
--   throttles             throttles read by this call, by id: lib.admission.throttles
--   opened_throttles      throttles that were opened after a slot was returned, as a set
--   marked_queues         queues that this call marked as fair, as a set
--   examine_budget        jobs that the choice of jobs may still look at; nil: nothing was chosen
--   put_entry             the last history entry of a put, and of which queue and time it is
--   has_more              whether that choice had to stop before it had seen all
--   has_expired_jobs      whether a job failed because its time to start was over
--   has_releases          whether the call added to the list of releases
--   canceled_copies       how many copies of canceled jobs there are, their bytes, and bounds:
--                         lib.job.canceled
--   refill_requests       cron jobs whose next ticks a client is asked for: the reply's `refill`
-- What a search sets:
--   long_data_budget      bytes of long data that may still be read
--   skipped_jobs          jobs whose long data was not read for that reason

local clock = require("lib.core.clock")
local errors = require("lib.core.errors")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")

local session = {}

session.SCHEMA = "2"

-- Schemas that can be read: in 1, each job was a map.
local READABLE = { ["1"] = true, ["2"] = true }

-- A request is `series:sequence:index`, or `series:sequence:index:life` for one that is remembered
-- for so many ms and by its sequence only: no other sequence of the series is accepted meanwhile.
local function split(request)
  if type(request) ~= "string" or #request > 100 then
    errors.bad("request is not series:sequence:index")
  end
  local series, sequence, index, life = string.match(request, "^(%w+):(%d+):(%d+):?(%d*)$")
  if not series or #sequence > 14 or #index > 4 or #life > 10 or tonumber(life) == 0 then
    errors.bad("request is not series:sequence:index")
  end
  return series .. ":" .. index, sequence, life ~= "" and life or nil
end

-- A remembered request is its sequence, a colon, and the reply. The sequence is -1 where there is
-- none.
local function recall_sequence(value)
  return tonumber(value and string.match(value, "^(%d+):")) or -1
end

local function recall_reply(value)
  return string.match(value, ":(.*)$")
end

-- The reply that the same request was given before, or nil. A request older than the last one is
-- refused, and one with a life of its own also if it is newer.
local function remembered(key, sequence, life)
  local value = redis.call("GET", key)
  local known = recall_sequence(value)
  if known == tonumber(sequence) then
    return recall_reply(value)
  elseif life and known >= 0 then
    errors.raise("KEYREUSED", "The idempotency key was already used for another request")
  elseif known > tonumber(sequence) then
    errors.raise("STALEREQUEST", "A later request of this series was already answered")
  end
  return nil
end

-- What is known of a request, for a client that got no answer.
function session.ask(request)
  local slot, sequence = split(request)
  local value = redis.call("GET", keys.request(slot))
  local known = recall_sequence(value)
  if known < tonumber(sequence) then
    return { state = "unknown" }
  elseif known > tonumber(sequence) then
    return { state = "older" }
  end
  return { state = "done", reply = recall_reply(value) }
end

-- The number of fields of meta that every call reads.
local COMMON = 10

-- Numbers that were used must never be used again. Where the last one is lost, numbering continues
-- with the time, which is far ahead of any count.
local function sequence_of(text, schema, now)
  local is_lost = text or schema or redis.call("EXISTS", keys.quarantined_copy("meta")) == 1
  return tonumber(text) or (is_lost and now or 0)
end

local CLOCKS = { server = true, test = true }

-- The schema and the kind of clock, false where they are lost; another schema is refused.
local function check_kind(schema, known_clock)
  schema = schema and string.find(schema, "^%d+$") and schema
  if schema and not READABLE[schema] then
    errors.raise("SCHEMA", "The keyspace has schema " .. schema .. ", not " .. session.SCHEMA)
  end
  return schema, CLOCKS[known_clock] and known_clock
end

-- How many events or klasses an option keeps, nil while it is off.
local function limit_of(text)
  local limit = tonumber(text) or 0
  return limit > 0 and limit or nil
end

local function new(found, argument)
  local schema, known_clock, time, sequence, tracked, history, data, events, last_event, klasses =
    unpack(found, 1, COMMON)
  schema, known_clock = check_kind(schema, known_clock)
  local last_time = tonumber(time) or 0
  local now, kind, went_back = clock.read(argument, known_clock, last_time)
  local last_sequence = sequence_of(sequence, schema, now)
  return {
    now = now,
    now_text = string.format("%d", now),
    last_time = last_time,
    new_clock = not (schema and known_clock) and kind,
    has_old_schema = schema and schema ~= session.SCHEMA,
    clock_went_back = went_back,
    sequence = last_sequence,
    sequence_at_open = tonumber(sequence) or -1,
    has_tracked_jobs = tracked and tracked ~= "0",
    history_limit = tonumber(history) or 100,
    data_limit = tonumber(data) or limits.data,
    stream_limit = limit_of(events),
    last_event = last_event,
    klass_limit = limit_of(klasses or limits.klasses),
    meta = {},
    messages = {},
    stream = {},
    counters = {},
    klasses = {},
  }
end

-- Opens the call. The arguments after `request` name more fields of meta to read into s.meta. The
-- second value, if any, is the reply that the same request was given before.
function session.open(now, request, ...)
  local found = redis.call("HMGET", keys.meta(), "schema", "clock", "time", "sequence", "tracking",
    "config:max-job-history", "config:max-data-size", "config:event-stream", "events",
    "config:klass-stats", ...)
  local s = new(found, now)
  for i = 1, select("#", ...) do
    s.meta[select(i, ...)] = found[COMMON + i]
  end
  if request ~= "" then
    local slot, sequence, life = split(request)
    s.request_sequence, s.reply_life = sequence, life or limits.reply
    s.reply_key = keys.request(slot)
    local again = remembered(s.reply_key, sequence, life)
    if again then
      return s, again
    end
  end
  return s, nil
end

-- Reads more fields of meta into s.meta.
function session.read_meta(s, names)
  for i, value in ipairs(redis.call("HMGET", keys.meta(), unpack(names))) do
    s.meta[names[i]] = value
  end
end

-- Opens the call of a query, which cannot write and so is never closed.
function session.read(now, ...)
  return (session.open(now, "", ...))
end

-- A number that no other job, lease or list of the namespace has.
function session.next(s)
  s.sequence = s.sequence + 1
  return s.sequence
end

-- Publishes a message when the call ends. What goes to the channel `log` is also kept in the stream
-- of events; `stored` is its text there, if that differs.
function session.publish(s, channel, message, stored)
  local messages = s.messages
  messages[#messages + 1] = channel
  messages[#messages + 1] = message
  if channel == "log" then
    session.record(s, stored or message)
  end
end

-- Adds an event to the stream when the call ends, if the stream is on.
function session.record(s, text)
  if s.stream_limit then
    s.stream[#s.stream + 1] = text
  end
end

local function write_meta(s)
  if s.new_clock then
    redis.call("HSET", keys.meta(), "schema", session.SCHEMA, "clock", s.new_clock, "time",
      s.now_text, "sequence", s.sequence)
    redis.call("ZADD", keys.due(), "NX", s.now + 60000, "sweep")
  elseif s.has_old_schema then
    redis.call("HSET", keys.meta(), "schema", session.SCHEMA, "time", s.now_text, "sequence",
      s.sequence)
  elseif s.now ~= s.last_time or s.sequence ~= s.sequence_at_open then
    -- A call within the same millisecond that used no number has nothing to remember.
    redis.call("HSET", keys.meta(), "time", s.now_text, "sequence", s.sequence)
  end
end

-- Wakes a worker of any queue for the releases that are left: those that were carried out may have
-- woken none, and every pop carries out some.
local function wake_for_releases()
  if redis.call("EXISTS", keys.releases()) == 1 then
    require("lib.queue.idle_workers").wake()
  end
end

-- Ends the call: counters, clock, memory of the reply, then the messages. `memory`, if given, is
-- remembered instead of a large reply, by a script that can rebuild the reply from it.
function session.close(s, reply, memory)
  if s.clock_went_back then
    require("lib.core.clock_set_back").begin(s)
  end
  if s.throttles then
    require("lib.admission.throttles").write(s)
  end
  if next(s.counters) then
    require("lib.stats.stats").write(s)
  end
  if s.has_releases then
    wake_for_releases()
  end
  write_meta(s)
  if s.stream[1] then
    require("lib.core.event_stream").write(s)
  end
  local packed = cmsgpack.pack(reply)
  if s.reply_key then
    local kept = memory and cmsgpack.pack(memory) or packed
    redis.call("SET", s.reply_key, s.request_sequence .. ":" .. kept, "PX", s.reply_life)
  end
  local messages = s.messages
  for i = 1, #messages, 2 do
    -- A user who may not publish to this channel still gets the reply: all is written.
    redis.pcall("PUBLISH", keys.channel(messages[i]), messages[i + 1])
  end
  return packed
end

return session
