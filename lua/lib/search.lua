-- A bounded look through one index for jobs that meet conditions. Where it stopped is a score and a
-- member, so the next call goes on behind it though jobs came and went meanwhile.

local check = require("lib.check")
local errors = require("lib.errors")
local glob = require("lib.glob")
local job_lib = require("lib.job")
local keys = require("lib.keys")

local search = {}

-- Bounds of one call: jobs looked at, conditions, and bytes of long data that are looked into.
search.SCAN, search.CONDITIONS = 250, 20
local LONG_DATA = 1048576
local SOURCE = { set = true, queue = true, name = true }

local function of_queue(key)
  return function(source)
    return key(check.name("queue", source.queue))
  end
end

local function of_name(key)
  return function(source)
    return key(check.name("name", source.name))
  end
end

-- The indexes that can be looked through; those of waiting jobs have their order in front.
local sets = {
  waiting = of_queue(keys.waiting),
  shared = of_queue(keys.shared),
  scheduled = of_queue(keys.scheduled),
  depends = of_queue(keys.depends),
  running = of_queue(keys.running),
  throttled = of_queue(keys.throttled),
  complete = function()
    return keys.complete()
  end,
  failed = function(source)
    return keys.group(check.line("name", source.name))
  end,
  tag = of_name(keys.tag),
  tracked = function()
    return keys.tracked()
  end,
  worker = of_name(keys.worker_jobs),
  -- One job, wherever it is.
  jid = of_name(keys.job),
}
local HAS_ORDER = { waiting = true, shared = true }

-- The first rank whose score and member come behind the given ones.
local function rank_behind(key, score, member)
  local low, high = 0, redis.call("ZCARD", key)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local found = redis.call("ZRANGE", key, middle, middle, "WITHSCORES")
    local at = tonumber(found[2])
    if at < score or at == score and found[1] <= member then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end

local function age_of(job, _, s)
  return s.now - (job.record.put_at or s.now)
end

-- What a condition looks at: a text, a number, a list of texts, or nil. `score` is that of the
-- index, which is the end of the lease in the index of running jobs.
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
    return job_lib.left(job)
  end,
  crashes = function(job)
    return job.record.crashes or 0
  end,
  age = age_of,
  tracked = function(job)
    return job.record.tracked and "yes" or "no"
  end,
  data = function(job, _, s)
    local apart = job.record.apart
    if not apart then
      return string.lower(job.data)
    elseif s.long < apart then
      s.skipped = s.skipped + 1
      return ""
    end
    s.long = s.long - apart
    return string.lower(job_lib.get_data(job))
  end,
  error = function(job)
    local packed = job.record.has_failure and redis.call("GET", keys.failure(job.jid))
    return packed and string.lower(cmsgpack.unpack(packed).message or "") or ""
  end,
}

-- Any word of the job: what a person types without saying where to look.
local function any_text(job, score, s)
  local record = job.record
  local head = { job.jid, record.klass, record.queue or "", record.group or "", record.user or "",
    table.concat(record.tags or {}, " ") }
  return string.lower(table.concat(head, "\n")) .. "\n" .. fields.data(job, score, s)
end

fields.text = any_text

local function has_text(condition, value)
  return string.find(string.lower(value), condition.value, 1, true) ~= nil
end

local texts = {
  has = has_text,
  like = function(condition, value)
    return glob.fits(condition.parts, value)
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

-- The value in the form in which its op wants it.
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
  local condition = { look = fields[given.field], op = op, wanted = not given.negated }
  if type(op) == "string" and readers[op] then
    readers[op](condition, given.value)
  elseif type(op) == "string" and compare[op] then
    condition.value = check.finite("value", given.value)
  else
    errors.bad("condition has an unknown op")
  end
  return condition
end

-- Reads the arguments of a search: the index, and the conditions.
function search.read(source, conditions)
  local given = check.options("source", source, SOURCE)
  if type(given.set) ~= "string" or not sets[given.set] then
    errors.bad("source names an unknown set")
  end
  local read = {}
  for i, condition in ipairs(check.packed_list("conditions", conditions, 0, search.CONDITIONS)) do
    read[i] = read_condition(condition)
  end
  return { set = given.set, name = given.name, key = sets[given.set](given), conditions = read }
end

local function fits_any(condition, list)
  for _, value in ipairs(list) do
    if texts[condition.op] and texts[condition.op](condition, value) then
      return true
    end
  end
  return false
end

local function fits(condition, value)
  if type(value) == "table" then
    return fits_any(condition, value)
  elseif type(value) == "number" then
    return compare[condition.op] ~= nil and compare[condition.op](value, condition.value)
  end
  return value ~= nil and texts[condition.op] ~= nil and texts[condition.op](condition, value)
end

local function matches(s, self, job, score)
  for _, condition in ipairs(self.conditions) do
    if fits(condition, condition.look(job, score, s, self.set)) ~= condition.wanted then
      return false
    end
  end
  return true
end

-- Up to `scan` members behind `after`, each with its score, and their jids.
local function candidates(self, after, scan)
  if self.set == "jid" then
    return { self.name, "0" }, { self.name }
  end
  local from = after and rank_behind(self.key, tonumber(after[1]), after[2]) or 0
  local flat = redis.call("ZRANGE", self.key, from, from + scan - 1, "WITHSCORES")
  local jids = {}
  for i = 1, #flat, 2 do
    jids[#jids + 1] = HAS_ORDER[self.set] and string.sub(flat[i], 13) or flat[i]
  end
  return flat, jids
end

-- The first `wanted` of the jobs that fit, and how many were looked at for them.
local function pick(s, self, jids, flat, wanted)
  local found = {}
  for i, job in ipairs(job_lib.find_all(jids)) do
    if job and matches(s, self, job, tonumber(flat[2 * i])) then
      found[#found + 1] = job.jid
      if #found == wanted then
        return found, i
      end
    end
  end
  return found, #jids
end

-- Looks at up to `scan` jobs behind `after`, until `wanted` of them fit.
function search.run(s, self, after, scan, wanted)
  s.long, s.skipped = LONG_DATA, 0
  local flat, jids = candidates(self, after, scan)
  local found, scanned = pick(s, self, jids, flat, wanted)
  local is_one = self.set == "jid"
  local is_over = is_one or scanned == #jids and #jids < scan
  return {
    jids = found,
    scanned = scanned,
    skipped = s.skipped,
    total = is_one and 1 or redis.call("ZCARD", self.key),
    after = not is_over and { flat[2 * scanned], flat[2 * scanned - 1] } or nil,
  }
end

return search
