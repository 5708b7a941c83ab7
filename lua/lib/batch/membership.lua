-- Decides which job a put with a batch makes a member: the job that it puts, or the one that it is
-- answered with. Nothing here writes.

local batches = require("lib.batch.batches")
local errors = require("lib.core.errors")

local membership = {}

local ENDED = { complete = true, failed = true }

-- The batch in which a job is, or will be by an earlier put of the same call; nil for none.
local function batch_of(s, job)
  local planned = s.planned_batches and s.planned_batches[job.jid]
  local own = planned or (job.record and job.record.batch)
  return own and (planned or batches.exists(own)) and own or nil
end

local function plan_batch(s, jid, batch)
  s.planned_batches = s.planned_batches or {}
  s.planned_batches[jid] = batch
end

-- Refuses a job of another batch; returns whether it is in this one already.
local function is_in(s, job, batch)
  local own = batch_of(s, job)
  if own and own ~= batch then
    errors.raise("EXISTS", "Job " .. job.jid .. ", which does the work of this put, is in the "
      .. "batch " .. own .. " and cannot be in " .. batch .. " as well")
  end
  return own ~= nil
end

-- Refuses a batch that does not accept the job that is put.
function membership.check(s, plan)
  local spec = plan.spec
  local job = plan.existing or { jid = spec.jid }
  if plan.replaces_holder then
    is_in(s, job, spec.batch)
  end
  batches.require_open(spec.batch, spec.parent or s.acting_jid, job)
  plan_batch(s, spec.jid, spec.batch)
end

-- Makes the job that the put is answered with a member instead, unless it has ended: the batch
-- waits for work that something else has put.
function membership.join_instead(s, plan, job)
  local spec = plan.spec
  local is_live = job.planned or (job.record and not ENDED[job.record.state])
  if is_live and not is_in(s, job, spec.batch) then
    batches.require_open(spec.batch, spec.parent or s.acting_jid)
    plan.joins = spec.batch
    plan_batch(s, job.jid, spec.batch)
  end
end

return membership
