-- The stored job: a four-byte length, a msgpack map of that length, then short data as it came. In
-- Lua a job is {jid, record, data}; `data` is the inline data, "" when it has its own key.

local errors = require("lib.core.errors")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local stored = require("lib.core.stored")

local job = {}

-- What a record has in each state, besides klass; that of a recurring job has no history.
local NEEDED = { waiting = "order", stalled = "order", throttled = "order", scheduled = "queue",
  depends = "queue", running = "worker", failed = "group", complete = "completed_at",
  recur = "queue" }

local function is_usable(record)
  if record.state == "recur" then
    return record.interval or (record.covered and type(record.ticks) == "table")
  end
  return type(record.history) == "table" and record.retries
    and (record.queue or record.state == "complete")
end

local function is_record(value)
  local needed = value and NEEDED[value.state]
  return needed and value[needed] and type(value.klass) == "string" and is_usable(value)
end

-- The job or recurring job of a stored value. One that cannot be read is set aside, and is nil.
function job.parse(jid, value, key)
  local length = #value >= 4 and struct.unpack(">I4", value) or 0
  local record = stored.unpack(string.sub(value, 5, 4 + length))
  if not is_record(record) then
    redis.quarantine(key or keys.job(jid))
    return nil
  end
  return { jid = jid, record = record, data = string.sub(value, 5 + length) }
end

-- The job, or nil.
function job.find(jid)
  local value = redis.call("GET", keys.job(jid))
  return value and job.parse(jid, value) or nil
end

-- The job; refused with NOJOB when there is none.
function job.load(jid)
  local found = job.find(jid)
  if not found then
    errors.no_job(jid)
  end
  return found
end

-- Sets aside the keys that exist: MGET takes a key of another type for a missing one.
local function quarantine_existing(names)
  if not names[1] or redis.call("EXISTS", unpack(names)) == 0 then
    return
  end
  for _, name in ipairs(names) do
    if redis.call("EXISTS", name) == 1 then
      redis.quarantine(name)
    end
  end
end

-- Jobs in the order of `jids`, false where there is none.
function job.find_all(jids)
  if #jids == 0 then
    return {}
  end
  local names = {}
  for i, jid in ipairs(jids) do
    names[i] = keys.job(jid)
  end
  local values = redis.call("MGET", unpack(names))
  local missing = {}
  for i, value in ipairs(values) do
    if value then
      values[i] = job.parse(jids[i], value) or false
    else
      missing[#missing + 1] = names[i]
    end
  end
  quarantine_existing(missing)
  return values
end

function job.pack(self)
  local packed = cmsgpack.pack(self.record)
  return struct.pack(">I4", #packed) .. packed .. self.data
end

-- Writes the job and returns the stored value.
function job.save(self)
  local value = job.pack(self)
  redis.call("SET", keys.job(self.jid), value)
  return value
end

function job.set_data(self, data)
  if #data > limits.inline then
    redis.call("SET", keys.data(self.jid), data)
    self.record.apart, self.data = #data, ""
    return
  end
  if self.record.apart then
    redis.call("DEL", keys.data(self.jid))
    self.record.apart = nil
  end
  self.data = data
end

-- The data, wherever it is stored.
function job.get_data(self)
  if self.record.apart then
    return redis.call("GET", keys.data(self.jid)) or ""
  end
  return self.data
end

function job.retries_left(self)
  return self.record.left or self.record.retries
end

-- Sets the retries left; all of them is the default, and is not stored.
function job.set_retries_left(self, left)
  self.record.left = left ~= self.record.retries and left or nil
end

-- Moves the middle of the history, all but the first and the newest `kept` entries, to the list of
-- the history, and trims that to what the limit leaves room for.
local function spill_history(self, limit, kept)
  local history = self.record.history
  local packed, rest = {}, { history[1] }
  for i = 2, #history do
    if i <= #history - kept then
      packed[#packed + 1] = cmsgpack.pack(history[i])
    else
      rest[#rest + 1] = history[i]
    end
  end
  self.record.history = rest
  local key = keys.history(self.jid)
  redis.call("RPUSH", key, unpack(packed))
  if limit > 0 then
    redis.call("LTRIM", key, 1 - limit, -1)
  end
  self.record.spilled = true
end

-- Entries in the list that the limit still covers, oldest first.
function job.spilled(self, s)
  if not self.record.spilled then
    return {}
  end
  local room = s.history_limit - #self.record.history
  if s.history_limit > 0 and room <= 0 then
    return {}
  end
  return redis.call("LRANGE", keys.history(self.jid), s.history_limit > 0 and -room or 0, -1)
end

-- Moves the entries of the list back into the record, as far as the limit covers them. It has
-- become small enough for the record.
local function restore_spilled(self, s)
  local history = self.record.history
  local all = { history[1] }
  for _, packed in ipairs(job.spilled(self, s)) do
    all[#all + 1] = stored.unpack(packed)
  end
  for i = 2, #history do
    all[#all + 1] = history[i]
  end
  redis.call("DEL", keys.history(self.jid))
  self.record.history, self.record.spilled = all, nil
end

-- Adds an entry to the history. The first entry stays for ever; of the others the newest are kept.
function job.add_history(self, s, what, more, at)
  local is_short = s.history_limit > 0 and s.history_limit <= limits.history
  if is_short and self.record.spilled then
    restore_spilled(self, s)
  end
  local history = self.record.history
  history[#history + 1] = { what, at or s.now, more }
  if is_short then
    while #history > s.history_limit and #history > 1 do
      table.remove(history, 2)
    end
  elseif #history > limits.history then
    spill_history(self, s.history_limit, 3)
  end
end

-- Adds an entry that may be large directly to the list.
function job.add_large_history(self, s, what, more)
  job.add_history(self, s, what, more)
  if #self.record.history > 1 and (s.history_limit <= 0 or s.history_limit > limits.history) then
    spill_history(self, s.history_limit, 0)
  end
end

-- The last few entries of the history behind the first one.
local function last_entries(self)
  local entries = {}
  if self.record.spilled then
    for _, packed in ipairs(redis.call("LRANGE", keys.history(self.jid), -5, -1)) do
      entries[#entries + 1] = stored.unpack(packed)
    end
  end
  for i = 2, #self.record.history do
    entries[#entries + 1] = self.record.history[i]
  end
  return entries
end

local RUNS_AGAIN = { retried = true, crashed = true, ["timed-out"] = true }
local BEGINS_ANEW = { put = true, done = true, failed = true }

-- The entry of the last run that ended so that the job runs again, as far as it is among the last
-- few entries, or nil.
function job.last_attempt(self)
  local entries = last_entries(self)
  for i = #entries, 1, -1 do
    if RUNS_AGAIN[entries[i][1]] then
      return entries[i]
    elseif BEGINS_ANEW[entries[i][1]] then
      return nil
    end
  end
  return nil
end

-- The first line of an error, cut to what the history keeps of it; nil without one.
function job.error_line(text)
  local line = text and string.match(text, "[^\r\n]+")
  if not line or #line <= limits.error_line then
    return line
  end
  -- The cut may have split a character.
  return (string.gsub(string.sub(line, 1, limits.error_line), "[\192-\255][\128-\191]*$", ""))
end

-- Deletes everything that belongs to a job except its index entries, which the caller has removed.
function job.erase(self)
  local jid, record = self.jid, self.record
  redis.call("DEL", keys.job(jid))
  if record.apart then
    redis.call("DEL", keys.data(jid))
  end
  if record.spilled then
    redis.call("DEL", keys.history(jid))
  end
  if record.has_failure then
    redis.call("DEL", keys.failure(jid))
  end
  if record.has_progress then
    redis.call("DEL", keys.progress(jid))
  end
end

-- Stores a result with the name of its codec, since it may outlive the job.
function job.set_result(self, result)
  if result ~= "" then
    redis.call("SET", keys.result(self.jid), (self.record.codec or "json") .. ":" .. result)
    self.record.has_result = true
  end
end

-- The name of the codec that wrote the result, or nil without a result.
function job.result_codec(jid)
  return string.match(redis.call("GETRANGE", keys.result(jid), 0, 255), "^([^:]*):")
end

-- The codec and the result of a job that may be gone, or nil.
function job.get_result(jid)
  local value = redis.call("GET", keys.result(jid))
  if not value then
    return nil
  end
  local colon = string.find(value, ":", 1, true)
  return string.sub(value, 1, colon - 1), string.sub(value, colon + 1)
end

function job.clear_failure(self)
  if self.record.has_failure then
    redis.call("DEL", keys.failure(self.jid))
    self.record.has_failure = nil
  end
end

-- The beginning and the end of a long message: a traceback ends with the exception.
local function shortened(message)
  local limit = limits.earlier_message
  if #message <= limit then
    return message
  end
  local quarter = math.floor(limit / 4)
  local head = string.gsub(string.sub(message, 1, quarter), "[\192-\255][\128-\191]*$", "")
  local tail = string.gsub(string.sub(message, quarter - limit), "^[\128-\191]+", "")
  return head .. "\n[...]\n" .. tail
end

-- The failures so far of a job that fails once more, shortened, oldest first; nil without any.
local function failures_so_far(self)
  local last = self.record.has_failure and stored.get(keys.failure(self.jid))
  if not last then
    return nil
  end
  local failures = last.earlier or {}
  last.earlier, last.message = nil, shortened(last.message or "")
  failures[#failures + 1] = last
  if #failures > limits.earlier then
    table.remove(failures, 1)
  end
  return failures
end

-- Sets the last failure; a few before it are kept, until the job completes.
function job.set_failure(self, s, group, message, worker)
  redis.call("SET", keys.failure(self.jid), cmsgpack.pack({ group = group, message = message,
    when = s.now, worker = worker, earlier = failures_so_far(self) }))
  self.record.has_failure = true
end

return job
