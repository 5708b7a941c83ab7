-- Applies the options of a put, and replaces the existing job of its jid.

local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local leave_state = require("lib.job.leave_state")
local session = require("lib.core.session")

local put_options = {}

-- Fields that keep their values when a put does not give them.
local KEPT = { "keep", "expires", "soft_limit", "hard_limit", "retry" }

-- The worker that loses the job to this put, in the form that the event needs.
local function lost_by(job, spec)
  local record = job.record
  if record.state == "running" and record.worker ~= spec.worker then
    return { jid = job.jid, record = { queue = record.queue, worker = record.worker,
      lease = record.lease } }
  end
  return nil
end

-- Removes what the last run left, except a result that dependents still need.
local function remove_last_run(job)
  local record = job.record
  if record.has_result and redis.call("EXISTS", keys.holds(job.jid)) == 0 then
    redis.call("DEL", keys.result(job.jid))
  end
  if record.has_progress then
    redis.call("DEL", keys.progress(job.jid))
  end
  if record.followups then
    redis.call("UNLINK", keys.followups(job.jid))
  end
  record.has_result, record.has_progress, record.followups = nil, nil, nil
  record.left, record.order, record.due = nil, nil, nil
  record.crashes, record.stalls, record.tries = nil, nil, nil
end

-- Takes an existing job out of its state, removes what belonged to its last run, and sets what a
-- put at the instant `at` changes in any job.
function put_options.replace_existing(s, plan, at)
  local job, spec = plan.existing, plan.spec
  local record = job.record
  local state = record.state
  plan.lost = lost_by(job, spec)
  leave_state.leave(s, job)
  if state == "failed" or state == "complete" then
    require("lib.batch.batches").rejoin(job, state == "failed" and "failed" or "completed")
  end
  remove_last_run(job)
  record.klass, record.queue = spec.klass, spec.queue
  record.retries = spec.retries or record.retries
  record.put_at, record.generation = at, session.next(s)
  return job
end

local function set_batch(s, job, batch)
  local record = job.record
  local batches = batch and require("lib.batch.batches")
  if not batch or batch == record.batch then
    return
  end
  batches.leave(s, job, "canceled")
  record.batch = batch
  batches.join(batch, job)
end

local function set_unique(job, own)
  local before = job.record.unique
  if not own then
    return
  elseif before and before.key ~= own.key then
    require("lib.job.unique").drop(job)
  end
  job.record.unique = own
end

local function set_claims(record, spec)
  if spec.user ~= nil or spec.throttles or spec.costs then
    require("lib.admission.throttle_claims").set(record, spec)
  end
end

-- Replaces the edges to parents, or adds to them, if the put names parents.
local function link(s, job, plan)
  local depends = plan.spec.depends
  if not depends or #depends == 0 then
    return
  end
  local dependencies = require("lib.job.dependencies")
  local spec = plan.spec
  if not spec.adds then
    dependencies.remove_all_edges(job)
  end
  local policy = spec.on_parent_failed or "wait"
  dependencies.add_edges(s, job, depends, plan.parents, policy, spec.policies)
end

-- The instant after which the job must not start. One that is over belongs to an earlier put.
local function set_expiry(s, record, spec)
  if spec.expires_in then
    record.expires = record.put_at + spec.expires_in
  elseif not spec.expires and record.expires and record.expires <= s.now then
    record.expires = nil
  end
end

-- Sets the options of the put in the record.
function put_options.set_options(s, job, plan)
  local record, spec = job.record, plan.spec
  if spec.priority then
    record.priority = spec.priority ~= 0 and spec.priority or nil
  end
  if spec.tags then
    require("lib.job.tags").replace(s, job, spec.tags)
  end
  record.codec = spec.codec
  for _, name in ipairs(KEPT) do
    record[name] = spec[name] or record[name]
  end
  set_expiry(s, record, spec)
  record.spawned_from = spec.spawned_from or record.spawned_from
  record.origins = spec.origins
  if spec.context then
    require("lib.job.context").set(record, spec.context)
  end
  set_claims(record, spec)
  set_unique(job, spec.unique)
  set_batch(s, job, spec.batch)
  link(s, job, plan)
end

-- Records that a running job put this jid before its own end.
local function note_followup(spec)
  local key = keys.followups(spec.parent)
  redis.call("SADD", key, spec.jid)
  local parent = job_lib.find(spec.parent)
  if not parent.record.followups then
    parent.record.followups = true
    job_lib.save(parent)
  end
end

-- Writes what the options store outside the job, once it is in its state.
function put_options.write_belongings(s, job, plan)
  local spec = plan.spec
  -- A key that the put does not name is taken again only if it is free.
  if spec.unique then
    require("lib.job.unique").take(s, job)
  elseif job.record.unique then
    require("lib.job.unique").adjust(s, job)
  end
  if spec.parent and spec.parent ~= s.ending_jid then
    note_followup(spec)
  end
  if not plan.existing and (spec.keep or spec.on_conflict) then
    redis.call("ZREM", keys.tombstones(), job.jid)
  end
end

-- The reply to a put that makes no job. The job that it names may join the batch instead.
function put_options.answer_ignored(plan)
  local job = plan.joins and job_lib.find(plan.ignored)
  if job then
    job.record.batch = plan.joins
    require("lib.batch.batches").join(plan.joins, job)
    job_lib.save(job)
  end
  return { plan.ignored, false }
end

return put_options
