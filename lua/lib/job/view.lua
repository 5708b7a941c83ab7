-- What a reply shows of a job: its stored value unchanged, and what is stored in other keys.

local check = require("lib.core.check")
local history = require("lib.job.history")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local pops = require("lib.job.pops")
local stored = require("lib.core.stored")

local view = {}

-- The last failure, without the earlier ones that are stored with it.
local function last_failure(job)
  local failure = stored.get(keys.failure(job.jid))
  if failure then
    failure.earlier = nil
  end
  return failure
end

-- What a worker needs to run the job.
function view.brief(job, value, expires_at)
  local record = job.record
  local shown = { jid = job.jid, value = value, expires_at = expires_at }
  if record.apart then
    shown.data = redis.call("GET", keys.data(job.jid)) or ""
  end
  if record.has_failure then
    shown.failure = last_failure(job)
  end
  if record.parents then
    shown.parents = redis.call("HKEYS", keys.parents(job.jid))
  end
  return shown
end

local function present(reply)
  return reply or nil
end

local function expiry(job)
  if job.record.state ~= "running" then
    return nil
  end
  return tonumber(redis.call("ZSCORE", keys.running(job.record.queue), job.jid) or 0)
end

local function add_edges(shown, job)
  shown.dependents = redis.call("ZRANGE", keys.dependents(job.jid), 0, limits.edges - 1)
  shown.dependencies = job.record.parents and redis.call("SMEMBERS", keys.dependencies(job.jid))
    or {}
end

-- Everything about a job.
function view.full(s, job)
  local jid, record = job.jid, job.record
  local shown = view.brief(job, job_lib.pack(job), expiry(job))
  add_edges(shown, job)
  if record.has_result then
    shown.result = select(2, job_lib.get_result(jid))
  end
  shown.progress = record.has_progress and present(redis.call("GET", keys.progress(jid))) or nil
  shown.history = history.spilled(job, s)
  return shown
end

-- Adds the first `most` bytes of a text that begins at `from` in a key; `cut` gets the length of a
-- longer one.
local function add_beginning(shown, name, key, from, most)
  local text = redis.call("GETRANGE", key, from, from + most)
  if #text > most then
    shown.cut = shown.cut or {}
    shown.cut[name] = redis.call("STRLEN", key) - from
    text = string.sub(text, 1, most)
  end
  shown[name] = text ~= "" and text or nil
end

-- The stored value of a job or recurring job with at most the first `most` bytes of inline data.
local function pack_beginning(shown, job, most)
  if #job.data > most then
    shown.cut = { data = #job.data }
    job = { record = job.record, data = string.sub(job.data, 1, most) }
  end
  return job_lib.pack(job)
end

-- A job as a list shows it: of data, result and progress the first `most` bytes each, how often it
-- was popped in place of the history outside the record.
function view.row(job, most)
  local jid, record = job.jid, job.record
  local shown = { jid = jid, expires_at = expiry(job), popped = pops.count(job) }
  shown.value = pack_beginning(shown, job, most)
  add_edges(shown, job)
  if record.apart then
    add_beginning(shown, "data", keys.data(jid), 0, most)
  end
  if record.has_failure then
    shown.failure = last_failure(job)
  end
  if record.parents then
    shown.parents = redis.call("HKEYS", keys.parents(jid))
  end
  if record.has_result then
    local codec = job_lib.result_codec(jid)
    if codec then
      add_beginning(shown, "result", keys.result(jid), #codec + 1, most)
    end
  end
  if record.has_progress then
    add_beginning(shown, "progress", keys.progress(jid), 0, most)
  end
  return shown
end

-- The next tick: the score in its queue, the record's own while it is paused, or that of cron.
local function tick_of(job)
  local record = job.record
  if record.over then
    return nil
  elseif record.cron then
    return record.ticks[1]
  end
  local key = keys.queue_recurring(record.queue)
  return record.slot or tonumber(redis.call("ZSCORE", key, job.jid) or 0)
end

-- A recurring job, with only a few of its next ticks. Without a next tick it is over, or waits for
-- ticks. With `most` it has only the first bytes of its data.
function view.recurring(job, most)
  local record, tick = job.record, tick_of(job)
  if record.cron then
    record.ahead = #record.ticks
    record.ticks = { unpack(record.ticks, 1, math.min(limits.ticks_shown, record.ahead)) }
  end
  local shown = { jid = job.jid, next = tick }
  shown.recurring = most and pack_beginning(shown, job, most) or job_lib.pack(job)
  return shown
end

local function find_recurring(jid)
  local value = redis.call("GET", keys.recurring(jid))
  return value and job_lib.parse(jid, value, keys.recurring(jid))
end

-- The job or recurring job of that jid, or false.
function view.of(s, jid)
  local job = job_lib.find(jid)
  if job then
    return view.full(s, job)
  end
  local found = find_recurring(jid)
  return found and view.recurring(found) or false
end

-- The same as a list shows it.
function view.row_of(jid, most)
  local job = job_lib.find(jid)
  if job then
    return view.row(job, most)
  end
  local found = find_recurring(jid)
  return found and view.recurring(found, most) or false
end

-- Reads the number of bytes of each long text in a list.
function view.read_most(most)
  return check.integer("most", most, 0, 2 ^ 31)
end

return view
