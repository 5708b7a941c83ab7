-- A stored job. In Lua it is {jid, record, data}: the fields of lib.job.record, and the inline
-- data, "" when the data has its own key.

local errors = require("lib.core.errors")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local record_lib = require("lib.job.record")
local stored = require("lib.core.stored")

local job = {}

-- The job or recurring job of a stored value. One that cannot be read is set aside, and is nil.
function job.parse(jid, value, key)
  local record, data = record_lib.parse(value)
  if not record then
    redis.quarantine(key or keys.job(jid))
    return nil
  end
  return { jid = jid, record = record, data = data }
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
  return record_lib.pack(self.record, self.data)
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
