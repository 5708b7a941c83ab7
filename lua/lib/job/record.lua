-- The stored form of a job: one msgpack array, in which the fields that nearly every transition
-- reads or writes have fixed places, each in the one encoding that `WRITTEN` names. So they are
-- read and written by one call of `struct`; only a job with further fields has a map to unpack.
--
-- In Lua a record is the map of these fields, without those that have no value.

local history = require("lib.job.history")
local stored = require("lib.core.stored")

local record_lib = {}

-- The states by the numbers that stand for them. A number never changes its meaning.
local STATES = { "waiting", "scheduled", "depends", "throttled", "running", "stalled", "failed",
  "complete", "recur" }
local NUMBERS = {}
for number, state in ipairs(STATES) do
  NUMBERS[state] = number
end

-- The fields with a place of their own; all others are in the map.
local PLACED = { state = true, klass = true, queue = true, retries = true, put_at = true,
  generation = true, order = true, worker = true, lease = true, popped_at = true,
  completed_at = true, entries = true, history = true }

-- An array of 14 values: the state and the number of history entries as small integers; text of up
-- to 255 bytes (0xd9); 4 bytes of integer (0xce), 8 bytes (0xcf); up to 255 bytes (0xc4); and the
-- history, the map and the data as any number of bytes (0xc6). `READ` skips what never differs.
local ARRAY, TEXT, INTEGER, LONG, BYTES, MANY = 0x9e, 0xd9, 0xce, 0xcf, 0xc4, 0xc6
local WRITTEN = ">BBBBc0BBc0BI4BI8BI8BBc0BBc0BBc0BI8BBI4c0BI4c0BI4c0"
local READ = ">xBxBc0xBc0xI4xI8xI8xBc0xBc0xBc0xI8BxI4c0xI4c0xI4c0"
-- What stands for a number that is not there, and the fields that may be missing.
local NO_LONG = 2 ^ 63
local ABSENT = { [""] = true, [NO_LONG] = true }
local OPTIONAL = { "queue", "put_at", "generation", "order", "worker", "lease" }
-- The instant that a job has in a state; only one place is needed for all of them.
local INSTANTS = { running = "popped_at", complete = "completed_at" }

-- What a record has in each state, besides klass; that of a recurring job has no history.
local NEEDED = { waiting = "order", stalled = "order", throttled = "order", scheduled = "queue",
  depends = "queue", running = "worker", failed = "group", complete = "completed_at",
  recur = "queue" }

local function is_recurring(record)
  return record.interval or (record.covered and type(record.ticks) == "table")
end

local function is_usable(record)
  local needed = NEEDED[record.state]
  if not needed or not record[needed] or type(record.klass) ~= "string" then
    return false
  elseif record.state == "recur" then
    return is_recurring(record)
  end
  return record.history and record.retries and (record.queue or record.state == "complete")
end

local function read(value)
  local number, klass, queue, retries, put_at, generation, order, worker, lease, instant, entries,
    past, others, data = struct.unpack(READ, value)
  local state = STATES[number]
  local record = { state = state, klass = klass, queue = queue, retries = retries, put_at = put_at,
    generation = generation, order = order, worker = worker, lease = lease, entries = entries,
    history = past }
  for i = 1, #OPTIONAL do
    if ABSENT[record[OPTIONAL[i]]] then
      record[OPTIONAL[i]] = nil
    end
  end
  if INSTANTS[state] and instant ~= NO_LONG then
    record[INSTANTS[state]] = instant
  end
  if others ~= "" then
    for name, field in pairs(cmsgpack.unpack(others)) do
      record[name] = field
    end
  end
  return record, data
end

-- The form before: a length in four bytes, a map of that length with the history as a list, data.
local function read_map(value)
  local length = #value >= 4 and struct.unpack(">I4", value) or 0
  local record = stored.unpack(string.sub(value, 5, 4 + length)) or {}
  if type(record.history) == "table" then
    history.set(record, record.history)
  else
    record.history = nil
  end
  return record, string.sub(value, 5 + length)
end

-- The record and the inline data of a stored value; nil if it cannot be read.
function record_lib.parse(value)
  local is_array = string.byte(value) == ARRAY
  local is_read, record, data = pcall(is_array and read or read_map, value)
  if is_read and is_usable(record) then
    return record, data
  end
  return nil
end

-- Removes fields. Setting one that is not there to nil would first make room for it.
function record_lib.clear(record, fields)
  for i = 1, #fields do
    if record[fields[i]] ~= nil then
      record[fields[i]] = nil
    end
  end
end

-- The fields without a place, packed; "" without any.
local function pack_others(record)
  local others
  for name, field in pairs(record) do
    if not PLACED[name] then
      others = others or {}
      others[name] = field
    end
  end
  return others and cmsgpack.pack(others) or ""
end

local function texts(record)
  return record.queue or "", record.order or "", record.worker or "", record.lease or ""
end

-- The stored value.
function record_lib.pack(record, data)
  local klass, queue, order, worker, lease = record.klass, texts(record)
  local past, others = record.history or "", pack_others(record)
  return struct.pack(WRITTEN, ARRAY, NUMBERS[record.state], TEXT, #klass, klass, TEXT, #queue,
    queue, INTEGER, record.retries, LONG, record.put_at or NO_LONG, LONG,
    record.generation or NO_LONG, BYTES, #order, order, TEXT, #worker, worker, TEXT, #lease, lease,
    LONG, record[INSTANTS[record.state]] or NO_LONG, record.entries or 0, MANY, #past, past, MANY,
    #others, others, MANY, #data, data)
end

return record_lib
