-- The list of what ended jobs have set free and nobody has carried out yet: dependents to let
-- go, call-backs to put. Any call that pops or ends jobs drains some of it.

local dependencies = require("lib.dependencies")
local finish = require("lib.finish")
local job_lib = require("lib.job")
local keys = require("lib.keys")
local queue_lib = require("lib.queue")
local submission = require("lib.submission")
local limits = require("lib.limits")

local releases = {}

local function done(token, record)
  redis.call("DEL", keys.release(token), keys.released(token))
  redis.call("ZREM", keys.releases(), token)
  if record.parent then
    dependencies.drop_hold(record.parent, "release:" .. token)
  end
end

-- The policy of the edge, or nil when the edge is gone or younger than the token.
local function edge(job, parent, token)
  local value = redis.call("HGET", keys.parents(job.jid), parent)
  local policy, sequence = string.match(value or "", "^(%l+):(%d+)$")
  return policy and tonumber(sequence) < tonumber(token) and policy or nil
end

local function resolve(s, job, parent, holds)
  redis.call("SREM", keys.dependencies(job.jid), parent)
  redis.call("ZREM", keys.dependents(parent), job.jid)
  if holds then
    redis.call("SADD", keys.holds(parent), job.jid)
  end
  if job.record.state == "depends" and redis.call("EXISTS", keys.dependencies(job.jid)) == 0 then
    local record = job.record
    local due = record.due
    queue_lib.leave(s, job)
    queue_lib.to_ready(s, job, record.queue, due and due > s.now and due or nil, s.now)
    job_lib.save(job)
  end
end

local function fail(s, job, parent, reason)
  queue_lib.leave(s, job)
  job_lib.note(job, s, "failed", { group = "parent-" .. reason })
  finish.fail(s, job, "parent-" .. reason, "Parent " .. parent .. " was " .. reason, "")
  job_lib.save(job)
end

-- A job that others wait for is not cancelled by a policy: it fails, where it can be seen.
local function cancel(s, job, parent, reason)
  if redis.call("ZCOUNT", keys.dependents(job.jid), 0, 0) > 0 then
    fail(s, job, parent, reason)
  else
    finish.cancel_from_anywhere(s, job)
  end
end

local function apply_policy(s, job, record, token)
  local policy = edge(job, record.parent, token)
  if not policy then
    return
  elseif policy == "run" then
    resolve(s, job, record.parent, false)
  elseif job.record.state ~= "depends" then
    return
  elseif policy == "cancel" then
    cancel(s, job, record.parent, record.reason)
  else
    fail(s, job, record.parent, record.reason)
  end
end

local function let_go(s, job, record, token, holds)
  if record.reason == "complete" then
    if edge(job, record.parent, token) then
      resolve(s, job, record.parent, holds)
    end
  else
    apply_policy(s, job, record, token)
  end
end

-- Goes through a renamed list of dependents.
local function drain_renamed(s, token, record, budget)
  local key = keys.released(token)
  local jids = redis.call("ZRANGE", key, 0, budget - 1)
  local holds = redis.call("SISMEMBER", keys.holds(record.parent), "release:" .. token) == 1
  for i, job in ipairs(job_lib.find_all(jids)) do
    redis.call("ZREM", key, jids[i])
    if job then
      let_go(s, job, record, token, holds)
    end
  end
  if redis.call("EXISTS", key) == 0 then
    done(token, record)
  end
  return #jids + 1
end

-- Goes through the dependents of a failed job that do not wait, while it is failed.
local function drain_failed(s, token, record, budget)
  local key = keys.dependents(record.parent)
  local parent = job_lib.find(record.parent)
  local jids = {}
  if parent and parent.record.state == "failed" then
    jids = redis.call("ZRANGEBYSCORE", key, 1, 1, "LIMIT", 0, budget)
  end
  for i, job in ipairs(job_lib.find_all(jids)) do
    redis.call("ZREM", key, jids[i])
    if job then
      apply_policy(s, job, record, token)
    end
  end
  if #jids < budget then
    done(token, record)
  end
  return #jids + 1
end

local function drain_batch(s, token, record)
  local packed = redis.call("HGET", keys.batch(record.batch), record.callback)
  if packed then
    submission.apply(s, submission.decide(s, cmsgpack.unpack(packed)))
  end
  done(token, record)
  return 1
end

local drains = {
  complete = drain_renamed,
  canceled = drain_renamed,
  failed = drain_failed,
  batch = drain_batch,
}

-- Carries out at most `budget` items and returns how much of the budget is left.
function releases.drain(s, budget)
  while budget > 0 do
    local token = redis.call("ZRANGE", keys.releases(), 0, 0)[1]
    if not token then
      redis.call("ZREM", keys.due(), "releases")
      return budget
    end
    local packed = redis.call("GET", keys.release(token))
    local record = packed and cmsgpack.unpack(packed)
    if record then
      budget = budget - drains[record.reason](s, token, record, budget)
    else
      redis.call("ZREM", keys.releases(), token)
    end
  end
  return budget
end

-- For a call that has just ended jobs: does a little at once, the rest stays due.
function releases.after(s)
  if s.released then
    releases.drain(s, limits.housekeeping)
  end
end

return releases
