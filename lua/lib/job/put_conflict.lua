-- Decides whether a put takes effect, by its jid, its unique key, its parent and its batch. Nothing
-- here writes.

local errors = require("lib.core.errors")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")

local put_conflict = {}

-- Whether a running job has put this jid before. Such a put needs the lease of the running job, and
-- takes effect once however often that job runs.
local function was_put_before(spec)
  if not spec.parent then
    return false
  end
  require("lib.job.lease").load(spec.parent, spec.lease)
  return redis.call("SISMEMBER", keys.followups(spec.parent), spec.jid) == 1
end

local function exists_or_remembered(s, plan)
  if plan.existing then
    return true
  end
  local kept = redis.call("ZSCORE", keys.tombstones(), plan.spec.jid)
  return kept and tonumber(kept) > s.now
end

-- Whether the put is ignored because of its jid. In a completion (s.lenient_puts) only a put that
-- asks for it is refused.
local function jid_conflict(s, plan)
  local policy = plan.spec.on_conflict or "replace"
  if policy == "revive" then
    return plan.existing and plan.existing.record.state ~= "failed"
  end
  if policy == "replace" or not exists_or_remembered(s, plan) then
    return false
  elseif policy == "raise" then
    errors.raise("EXISTS", "Job " .. plan.spec.jid .. " already exists")
  end
  return true
end

-- Refuses a put that expects a job which neither exists nor is put by the same call.
local function check_expected(s, spec)
  for i, job in ipairs(job_lib.find_all(spec.expects)) do
    if not job and not s.planned_jids[spec.expects[i]] then
      errors.no_job(spec.expects[i])
    end
  end
end

local function find_parents(s, plan)
  local spec = plan.spec
  local jid, depends = spec.jid, spec.depends
  if depends and #depends > 0 then
    local dependencies = require("lib.job.dependencies")
    if spec.adds and plan.existing then
      dependencies.refuse_too_many(jid, depends)
    end
    local exists = (plan.existing or plan.replaces_holder) and jid ~= s.ending_jid
    plan.parents = dependencies.unresolved(s, jid, depends, exists)
  end
end

-- The job that the put is answered with when it does nothing, or nil.
local function conflicting(s, plan)
  if jid_conflict(s, plan) then
    return plan.existing or { jid = plan.spec.jid }
  end
  return require("lib.job.key_conflict").decide(s, plan)
end

-- Completes the plan. `ignored` is the jid with which the put is answered when it does nothing.
function put_conflict.decide(s, plan)
  local spec = plan.spec
  if was_put_before(spec) then
    plan.ignored = spec.jid
    return
  end
  local other = conflicting(s, plan)
  plan.ignored = other and other.jid
  if spec.batch then
    local membership = require("lib.batch.membership")
    if other then
      membership.join_instead(s, plan, other)
    else
      membership.check(s, plan)
    end
  end
  if other then
    return
  end
  require("lib.job.key_conflict").plan(s, plan)
  if spec.expects then
    check_expected(s, spec)
  end
  find_parents(s, plan)
end

return put_conflict
