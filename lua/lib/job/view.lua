-- What a reply shows of a job: its stored value unchanged, and what is stored in other keys.

local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local stored = require("lib.core.stored")

local view = {}

-- What a worker needs to run the job.
function view.brief(job, value, expires_at)
  local record = job.record
  local shown = { jid = job.jid, value = value, expires_at = expires_at }
  if record.apart then
    shown.data = redis.call("GET", keys.data(job.jid)) or ""
  end
  if record.has_failure then
    shown.failure = stored.get(keys.failure(job.jid))
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

-- Everything about a job.
function view.full(s, job)
  local jid, record = job.jid, job.record
  local shown = view.brief(job, job_lib.pack(job), expiry(job))
  shown.dependents = redis.call("ZRANGE", keys.dependents(jid), 0, limits.edges - 1)
  shown.dependencies = record.parents and redis.call("SMEMBERS", keys.dependencies(jid)) or {}
  if record.has_result then
    shown.result = select(2, job_lib.get_result(jid))
  end
  shown.progress = record.has_progress and present(redis.call("GET", keys.progress(jid))) or nil
  shown.history = job_lib.spilled(job, s)
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
-- ticks.
function view.recurring(job)
  local record, tick = job.record, tick_of(job)
  if record.cron then
    record.ahead = #record.ticks
    record.ticks = { unpack(record.ticks, 1, math.min(limits.ticks_shown, record.ahead)) }
  end
  return { jid = job.jid, recurring = job_lib.pack(job), next = tick }
end

local function find_recurring(jid)
  local value = redis.call("GET", keys.recurring(jid))
  local found = value and job_lib.parse(jid, value, keys.recurring(jid))
  return found and view.recurring(found)
end

-- The job or recurring job of that jid, or false.
function view.of(s, jid)
  local job = job_lib.find(jid)
  return job and view.full(s, job) or find_recurring(jid) or false
end

return view
