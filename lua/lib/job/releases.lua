-- The list of what ended jobs have set free and nobody has carried out yet: dependents to let
-- go, call-backs to put. Any call that pops or ends jobs drains some of it.

local batches = require("lib.batch.batches")
local dependencies = require("lib.job.dependencies")
local failing = require("lib.job.failing")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local leave_state = require("lib.job.leave_state")
local limits = require("lib.core.limits")
local put = require("lib.job.put")
local queue_lib = require("lib.queue.queue")
local removal = require("lib.job.removal")

local releases = {}

local function done(token, record)
  redis.call("DEL", keys.release_record(token), keys.release_dependents(token))
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
    leave_state.from_place(s, job)
    queue_lib.to_ready(s, job, job.record.queue, job.record.due, s.now)
    job_lib.save(job)
  end
end

-- A job that fails with its parent goes on waiting for it once it is revived; not for one that is
-- gone for good.
local function fail(s, job, parent, reason)
  if reason == "canceled" then
    redis.call("SREM", keys.dependencies(job.jid), parent)
  end
  leave_state.from_place(s, job)
  job_lib.note(job, s, "failed", { group = "parent-" .. reason })
  failing.fail(s, job, "parent-" .. reason, "Parent " .. parent .. " was " .. reason, "")
  job_lib.save(job)
end

-- A job that others wait for is not cancelled by a policy: it fails, where it can be seen.
local function cancel(s, job, parent, reason)
  if redis.call("ZCOUNT", keys.dependents(job.jid), 0, 0) > 0 then
    fail(s, job, parent, reason)
  else
    removal.cancel_from_anywhere(s, job)
  end
end

-- Returns whether there was anything to do.
local function apply_policy(s, job, record, policy)
  if policy == "run" then
    resolve(s, job, record.parent, false)
  elseif job.record.state ~= "depends" then
    return false
  elseif policy == "cancel" then
    cancel(s, job, record.parent, record.reason)
  else
    fail(s, job, record.parent, record.reason)
  end
  return true
end

local function let_go(s, job, record, token, holds)
  local policy = edge(job, record.parent, token)
  if not policy then
    return
  elseif record.reason == "complete" then
    resolve(s, job, record.parent, holds)
  elseif not apply_policy(s, job, record, policy) then
    resolve(s, job, record.parent, false)
  end
end

-- Goes through a renamed list of dependents.
local function drain_renamed(s, token, record, budget)
  local key = keys.release_dependents(token)
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

-- Applies the policies of these dependents; returns how many were waiting for that.
local function apply_policies(s, jids, record)
  local applied = 0
  for i, job in ipairs(job_lib.find_all(jids)) do
    local value = job and redis.call("HGET", keys.parents(jids[i]), record.parent)
    local policy = value and string.match(value, "^%l+")
    if not policy then
      redis.call("ZREM", keys.dependents(record.parent), jids[i])
    elseif apply_policy(s, job, record, policy) then
      applied = applied + 1
    end
  end
  return applied
end

local function has_failed(jid)
  local job = job_lib.find(jid)
  return job and job.record.state == "failed"
end

-- The next dependents that do not wait, as long as the parent is failed.
local function next_of(record, budget)
  if not has_failed(record.parent) then
    return {}
  end
  return redis.call("ZRANGEBYSCORE", keys.dependents(record.parent), 1, 1,
    "LIMIT", record.at or 0, budget)
end

-- Goes through the dependents of a failed job that do not wait, while it is failed. Those that
-- fail with it stay in the list, so the token remembers how far it has come; as others may leave
-- the list meanwhile, a round that found something to do is followed by another.
local function drain_failed(s, token, record, budget)
  local key = keys.dependents(record.parent)
  local jids = next_of(record, budget)
  local before = redis.call("ZCARD", key)
  -- Who left since the last step has moved others to ranks that were looked at already.
  local moved = (record.size or before) ~= before and 1 or 0
  record.applied = (record.applied or 0) + apply_policies(s, jids, record) + moved
  record.size = redis.call("ZCARD", key)
  record.at = (record.at or 0) + #jids - (before - record.size)
  if #jids < budget and record.applied == 0 then
    done(token, record)
    return #jids + 1
  elseif #jids < budget then
    record.at, record.applied = nil, nil
  end
  redis.call("SET", keys.release_record(token), cmsgpack.pack(record))
  return #jids + 1
end

-- Treats the one dependent that came when its parent had failed already.
local function drain_late(s, token, record)
  local score = redis.call("ZSCORE", keys.dependents(record.parent), record.jid)
  if score == "1" and has_failed(record.parent) then
    apply_policies(s, { record.jid }, record)
  end
  done(token, record)
  return 1
end

-- Puts a call-back of a batch; one of a batch within another becomes a member of that.
local function call_back(s, batch, callback)
  local found = redis.call("HMGET", keys.batch_record(batch), callback, "within")
  if not found[1] then
    return
  end
  local plan = put.decide(s, cmsgpack.unpack(found[1]))
  if found[2] and redis.call("SISMEMBER", keys.inner(found[2]), batch) == 1 then
    plan.spec.batch, plan.options = found[2], true
  end
  put.apply(s, plan)
end

local function drain_batch(s, token, record)
  if record.callback == "within" then
    batches.leave_outer(s, record.batch)
  else
    call_back(s, record.batch, record.callback)
  end
  done(token, record)
  return 1
end

local drains = {
  complete = drain_renamed,
  canceled = drain_renamed,
  failed = function(s, token, record, budget)
    return (record.jid and drain_late or drain_failed)(s, token, record, budget)
  end,
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
    local packed = redis.call("GET", keys.release_record(token))
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
  if s.has_releases then
    releases.drain(s, limits.housekeeping)
  end
end

return releases
