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

-- Whether the put is ignored because of its jid. In a completion (s.lenient_puts) it is ignored
-- where it would be refused.
local function jid_conflict(s, plan)
  local policy = plan.spec.on_conflict or "replace"
  if policy == "revive" then
    return plan.existing and plan.existing.record.state ~= "failed"
  end
  if policy == "replace" or not exists_or_remembered(s, plan) then
    return false
  elseif policy == "raise" and not s.lenient_puts then
    errors.raise("EXISTS", "Job " .. plan.spec.jid .. " already exists")
  end
  return true
end

-- Whether the put may replace the data of the key's holder: as long as that has not started. The
-- job that held a key for a window may be gone.
local function is_replaceable(holder)
  local state = holder.record and holder.record.state
  return state and state ~= "running" and state ~= "complete"
end

-- Whether the holder gives up its key by this call, which completes it (s.ending_jid).
local function is_ending(s, holder)
  local own = holder and holder.jid == s.ending_jid and holder.record and holder.record.unique
  return own and own.scope ~= "window"
end

-- The job that holds the unique key, or will by an earlier put of the same call.
local function key_holder(s, spec)
  local key = spec.unique.key
  local planned = s.planned_unique_keys or {}
  s.planned_unique_keys = planned
  local holder = planned[key] or require("lib.job.unique").holder(s, key)
  holder = not is_ending(s, holder) and holder or nil
  planned[key] = holder or { jid = spec.jid }
  return holder
end

-- The jid of the key's holder, if the put does nothing because of it, or nil.
local function key_conflict(s, plan)
  local spec = plan.spec
  local holder = spec.unique and key_holder(s, spec)
  if not holder or holder.jid == spec.jid then
    return nil
  end
  local policy = spec.unique_conflict or "ignore"
  if policy == "replace" and is_replaceable(holder) then
    plan.replace = holder
  elseif policy ~= "ignore" and not s.lenient_puts then
    errors.raise("EXISTS", "Job " .. holder.jid .. " holds the unique key " .. spec.unique.key)
  end
  return holder.jid
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
  local jid, depends = plan.spec.jid, plan.spec.depends
  if depends and #depends > 0 then
    plan.parents = require("lib.job.dependencies").unresolved(s, jid, depends, plan.existing)
  end
end

-- Completes the plan. `ignored` is the jid with which the put is answered when it does nothing.
function put_conflict.decide(s, plan)
  local spec = plan.spec
  if was_put_before(spec) or jid_conflict(s, plan) then
    plan.ignored = spec.jid
    return
  end
  plan.ignored = key_conflict(s, plan)
  if plan.ignored then
    return
  end
  if spec.batch then
    require("lib.batch.batches").require_open(spec.batch, spec.parent or s.acting_jid, spec.jid)
  end
  if spec.expects then
    check_expected(s, spec)
  end
  find_parents(s, plan)
end

return put_conflict
