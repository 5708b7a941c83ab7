-- The conditions of a search on the fields of a job, all of which must hold.

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local glob = require("lib.core.glob")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local pops = require("lib.job.pops")
local stored = require("lib.core.stored")

local conditions = {}

local MAX_CONDITIONS = 20

local function age_of(job, _, s)
  return s.now - (job.record.put_at or s.now)
end

local function since(instant, s)
  return instant and s.now - instant
end

-- The value that a condition on a field looks at: a text, a number, a list of texts, or nil.
-- `score` is the score in the searched index; in the index of running jobs it is the end of the
-- lease.
local fields = {
  jid = function(job)
    return job.jid
  end,
  klass = function(job)
    return job.record.klass
  end,
  queue = function(job)
    return job.record.queue
  end,
  user = function(job)
    return job.record.user
  end,
  worker = function(job)
    return job.record.worker
  end,
  group = function(job)
    return job.record.group
  end,
  batch = function(job)
    return job.record.batch
  end,
  codec = function(job)
    return job.record.codec or "json"
  end,
  state = function(job, score, s, set)
    local state = job.record.state
    if set == "running" and state == "running" and score <= s.now then
      return "stalled"
    elseif state == "scheduled" and (job.record.due or s.now) <= s.now then
      return "waiting"
    end
    return state
  end,
  tag = function(job)
    return job.record.tags or {}
  end,
  throttle = function(job)
    return job.record.throttles or {}
  end,
  priority = function(job)
    return job.record.priority or 0
  end,
  retries = function(job)
    return job_lib.retries_left(job)
  end,
  crashes = function(job)
    return job.record.crashes or 0
  end,
  age = age_of,
  failed = function(job, _, s)
    return since(job.record.failed_at, s)
  end,
  finished = function(job, _, s)
    return since(job.record.completed_at or job.record.failed_at, s)
  end,
  started = function(job, _, s)
    return since(pops.last(job), s)
  end,
  attempts = pops.count,
  tracked = function(job)
    return job.record.tracked and "yes" or "no"
  end,
  data = function(job, _, s)
    local apart = job.record.apart
    if not apart then
      return job.data
    elseif s.long_data_budget < apart then
      s.skipped_jobs = s.skipped_jobs + 1
      return ""
    end
    s.long_data_budget = s.long_data_budget - apart
    return job_lib.get_data(job)
  end,
  error = function(job)
    local packed = job.record.has_failure and redis.call("GET", keys.failure(job.jid))
    local failure = packed and stored.unpack(packed)
    return failure and failure.message or ""
  end,
}

-- All text of a job, for a search that names no field.
local function any_text(job, score, s)
  local record = job.record
  local tags = record.tags and table.concat(record.tags, " ") or ""
  return table.concat({ job.jid, record.klass, record.queue or "", record.group or "",
    record.user or "", tags, fields.data(job, score, s) }, "\n")
end

fields.text = any_text

local function has_text(condition, value)
  return string.find(string.lower(value), condition.value, 1, true) ~= nil
end

local texts = {
  has = has_text,
  like = function(condition, value)
    return glob.matches(condition.parts, value)
  end,
  ["in"] = function(condition, value)
    return condition.set[value] == true
  end,
}

local compare = {
  ["="] = function(a, b)
    return a == b
  end,
  ["<"] = function(a, b)
    return a < b
  end,
  [">"] = function(a, b)
    return a > b
  end,
  ["<="] = function(a, b)
    return a <= b
  end,
  [">="] = function(a, b)
    return a >= b
  end,
}

-- Converts the value of a condition into the form that its op needs.
local readers = {
  has = function(condition, value)
    condition.value = string.lower(check.text("value", value, 1024))
  end,
  like = function(condition, value)
    condition.parts = glob.compiled(check.text("value", value, 1024))
  end,
  ["in"] = function(condition, value)
    condition.set = {}
    for _, one in ipairs(check.list("value", value, 1, 100)) do
      condition.set[check.text("value", one, 255)] = true
    end
  end,
}

local function read_condition(given)
  check.map("condition", given, { field = true, op = true, value = true, negated = true })
  if type(given.field) ~= "string" or not fields[given.field] then
    errors.bad("condition names an unknown field")
  end
  local op = given.op
  local condition = { value_of = fields[given.field], op = op, wanted = not given.negated }
  if type(op) == "string" and readers[op] then
    readers[op](condition, given.value)
  elseif type(op) == "string" and compare[op] then
    condition.value = check.finite("value", given.value)
  else
    errors.bad("condition has an unknown op")
  end
  return condition
end

local function matches_any(condition, list)
  for _, value in ipairs(list) do
    if texts[condition.op] and texts[condition.op](condition, value) then
      return true
    end
  end
  return false
end

local function matches(condition, value)
  if type(value) == "table" then
    return matches_any(condition, value)
  elseif type(value) == "number" then
    return compare[condition.op] ~= nil and compare[condition.op](value, condition.value)
  end
  return value ~= nil and texts[condition.op] ~= nil and texts[condition.op](condition, value)
end

-- Whether all conditions hold for a job that was found in this kind of index under this score.
function conditions.hold(s, list, set, job, score)
  for _, condition in ipairs(list) do
    if matches(condition, condition.value_of(job, score, s, set)) ~= condition.wanted then
      return false
    end
  end
  return true
end

-- Reads the conditions of a call.
function conditions.read(packed)
  local read = {}
  for i, condition in ipairs(check.packed_list("conditions", packed, 0, MAX_CONDITIONS)) do
    read[i] = read_condition(condition)
  end
  return read
end

return conditions
