-- Leases: the right of one worker to one job. A call with a lease that is no longer valid is
-- refused.

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")

local lease = {}

-- Why this lease does not hold the job, as a code and detail, or nil.
function lease.refusal(job, jid, token)
  if not job then
    return "NOJOB", "Job " .. jid .. " does not exist"
  end
  local record = job.record
  if record.state == "complete" then
    return "FINISHED", "Job " .. jid .. " not currently running: complete"
  elseif record.state ~= "running" then
    return "LOSTLEASE", "Job " .. jid .. " not currently running: " .. record.state
  elseif record.lease ~= token then
    return "LOSTLEASE", "Job " .. jid .. " was given out to another worker: " .. record.worker
  end
  return nil
end

-- Checks a packed list of [jid, lease], each jid once; returns it, and the jids alone.
function lease.check_all(packed, low)
  local held = check.packed_list("leases", packed, low, limits.call)
  local jids = {}
  for i, pair in ipairs(held) do
    check.list("lease", pair, 2, 2)
    jids[i] = pair[1]
    check.text("lease", pair[2], 200)
  end
  check.names("jids", jids, low, limits.call)
  return held, jids
end

-- The job that this lease holds; refused otherwise.
function lease.load(jid, token)
  check.name("jid", jid)
  check.text("lease", token, 200)
  local job = job_lib.find(jid)
  local code, detail = lease.refusal(job, jid, token)
  if code then
    errors.raise(code, detail)
  end
  return job
end

-- The length of a lease in milliseconds, from the options of the queue and of the namespace as
-- text.
function lease.length(own, general)
  return math.floor((tonumber(own) or tonumber(general) or 60) * 1000)
end

-- The same, reading the options. pop has read them together with its other fields.
function lease.length_of(queue)
  local texts = redis.call("HMGET", keys.meta(), "config:" .. queue .. "-heartbeat",
    "config:heartbeat")
  return lease.length(texts[1], texts[2])
end

-- Sets the instant at which the lease expires, and returns it. A heartbeat that the worker sent
-- before it handed the job off must not shorten the time that was given then.
function lease.extend(job, wanted)
  local record = job.record
  local expires_at = math.max(wanted, record.handed_off or 0)
  redis.call("ZADD", keys.running(record.queue), expires_at, job.jid)
  redis.call("ZADD", keys.worker_jobs(record.worker), expires_at, job.jid)
  -- A lease that has become shorter has to be checked earlier.
  redis.call("ZADD", keys.due(), "LT", expires_at, "leases:" .. record.queue)
  return expires_at
end

return lease
