-- The list of releases: what ended jobs set free and no call has carried out yet, dependents to
-- release and callbacks to put. Every call that pops or ends jobs drains a part of it.

local batches = require("lib.batch.batches")
local dependencies = require("lib.job.dependencies")
local failing = require("lib.job.failing")
local history = require("lib.job.history")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local leave_state = require("lib.job.leave_state")
local limits = require("lib.core.limits")
local put = require("lib.job.put")
local queue_lib = require("lib.queue.queue")
local removal = require("lib.job.removal")
local stored = require("lib.core.stored")

local releases = {}

local function delete_entry(token, record)
  redis.call("DEL", keys.release_record(token), keys.release_dependents(token))
  redis.call("ZREM", keys.releases(), token)
  if record.parent then
    dependencies.drop_hold(record.parent, "release:" .. token)
  end
end

-- The policy of the edge, or nil when the edge is gone or newer than the token.
local function policy_of_edge(job, parent, token)
  local value = redis.call("HGET", keys.parents(job.jid), parent)
  local policy, sequence = string.match(value or "", "^(%l+):(%d+)$")
  return policy and tonumber(sequence) < (tonumber(token) or 0) and policy or nil
end

local function resolve(s, job, parent, keeps_result)
  redis.call("SREM", keys.dependencies(job.jid), parent)
  redis.call("ZREM", keys.dependents(parent), job.jid)
  if keeps_result then
    redis.call("SADD", keys.holds(parent), job.jid)
  end
  if job.record.state == "depends" and redis.call("EXISTS", keys.dependencies(job.jid)) == 0 then
    leave_state.leave(s, job)
    queue_lib.to_ready(s, job, job.record.queue, job.record.due, s.now)
    job_lib.save(job)
  end
end

-- Fails a job with its parent. If it is retried it waits for that parent again, unless that was
-- canceled.
local function fail(s, job, parent, reason)
  if reason == "canceled" then
    redis.call("SREM", keys.dependencies(job.jid), parent)
  end
  leave_state.leave(s, job)
  history.add(job, s, "failed", { group = "parent-" .. reason })
  failing.fail(s, job, "parent-" .. reason, "Parent " .. parent .. " was " .. reason, "")
  job_lib.save(job)
end

-- Cancels a job with its parent. A job that others wait for fails instead, so that somebody sees
-- it.
local function cancel(s, job, parent, reason)
  if redis.call("ZCOUNT", keys.dependents(job.jid), 0, 0) > 0 then
    fail(s, job, parent, reason)
  else
    removal.cancel(s, job, { parent = parent, reason = "Parent " .. parent .. " was " .. reason })
  end
end

-- Applies a policy; returns whether it changed anything.
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

local function release_dependent(s, job, record, token, keeps_result)
  local policy = policy_of_edge(job, record.parent, token)
  if not policy then
    return
  elseif record.reason == "complete" then
    resolve(s, job, record.parent, keeps_result)
  elseif not apply_policy(s, job, record, policy) then
    resolve(s, job, record.parent, false)
  end
end

-- Drains a part of the dependents of a parent that has completed or was canceled. Their set was
-- renamed, so it is complete.
local function drain_renamed(s, token, record, budget)
  local key = keys.release_dependents(token)
  local jids = redis.call("ZRANGE", key, 0, budget - 1)
  local keeps_result = redis.call("SISMEMBER", keys.holds(record.parent), "release:" .. token) == 1
  for i, job in ipairs(job_lib.find_all(jids)) do
    redis.call("ZREM", key, jids[i])
    if job then
      release_dependent(s, job, record, token, keeps_result)
    end
  end
  if redis.call("EXISTS", key) == 0 then
    delete_entry(token, record)
  end
  return #jids + 1
end

-- Applies the policies of these dependents; returns how many were changed.
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

-- The next dependents whose policy is not to wait, as long as the parent is failed.
local function next_dependents(record, budget)
  if not has_failed(record.parent) then
    return {}
  end
  return redis.call("ZRANGEBYSCORE", keys.dependents(record.parent), 1, 1,
    "LIMIT", record.at or 0, budget)
end

-- Drains a part of the dependents of a failed parent whose policy is not to wait. Those that fail
-- with it stay in the set, so the entry remembers its position. Others may leave the set meanwhile,
-- so a round that changed something is followed by another.
local function drain_failed(s, token, record, budget)
  local key = keys.dependents(record.parent)
  local jids = next_dependents(record, budget)
  local before = redis.call("ZCARD", key)
  -- Dependents that left since the last step have moved others to ranks already passed.
  local moved = (record.size or before) ~= before and 1 or 0
  record.applied = (record.applied or 0) + apply_policies(s, jids, record) + moved
  record.size = redis.call("ZCARD", key)
  record.at = (record.at or 0) + #jids - (before - record.size)
  if #jids < budget and record.applied == 0 then
    delete_entry(token, record)
    return #jids + 1
  elseif #jids < budget then
    record.at, record.applied = nil, nil
  end
  redis.call("SET", keys.release_record(token), cmsgpack.pack(record))
  return #jids + 1
end

-- Applies the policy to a dependent that was linked after its parent had failed.
local function drain_late(s, token, record)
  local score = redis.call("ZSCORE", keys.dependents(record.parent), record.jid)
  if score == "1" and has_failed(record.parent) then
    apply_policies(s, { record.jid }, record)
  end
  delete_entry(token, record)
  return 1
end

-- Puts a callback of a batch, also in place of a job of its jid that has ended. In a nested batch
-- it becomes a member of the outer one. A callback that cannot be put was accepted long ago, so the
-- conflict is published and recorded in the batch.
local function put_callback(s, batch, callback)
  local found = redis.call("HMGET", keys.batch_record(batch), callback, "within", "origins")
  local spec = found[1] and stored.unpack(found[1])
  if not spec or not spec.jid then
    return
  end
  local existing = job_lib.find(spec.jid)
  local state = existing and existing.record.state
  if state == "complete" or state == "failed" then
    spec.on_conflict = "replace"
  end
  local plan = put.carry_out(s, spec, existing or false, function(plan)
    if found[2] and redis.call("SISMEMBER", keys.inner(found[2]), batch) == 1 then
      plan.spec.batch, plan.options = found[2], true
    end
    if found[3] then
      plan.spec.origins, plan.options = found[3], true
    end
  end)
  if plan.ignored then
    batches.record_conflict(s, batch, callback, spec, plan.ignored)
  end
end

local function drain_batch(s, token, record)
  if record.callback == "within" then
    batches.count_in_outer(s, record.batch)
  else
    put_callback(s, record.batch, record.callback)
  end
  delete_entry(token, record)
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

-- Drains at most `budget` items; returns the budget that is left.
function releases.drain(s, budget)
  while budget > 0 do
    local token = redis.call("ZRANGE", keys.releases(), 0, 0)[1]
    if not token then
      redis.call("ZREM", keys.due(), "releases")
      return budget
    end
    local record = stored.get(keys.release_record(token))
    if record and drains[record.reason] then
      budget = budget - drains[record.reason](s, token, record, budget)
    else
      redis.call("ZREM", keys.releases(), token)
      budget = budget - 1
    end
  end
  return budget
end

-- Drains a part of the list at once in a call that has just ended jobs; the rest stays due.
function releases.drain_some(s)
  if s.has_releases then
    releases.drain(s, limits.housekeeping)
  end
end

return releases
