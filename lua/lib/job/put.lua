-- A put in two halves: `check` reads and refuses, `apply` writes. Everything that makes a job
-- goes through here: put, put_many, requeue, follow-ups, batch call-backs, recurring children.

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local events = require("lib.core.events")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local queue_lib = require("lib.queue.queue")
local session = require("lib.core.session")
local stats = require("lib.stats.stats")

local put = {}

local CORE = { jid = true, klass = true, queue = true, data = true }

local function has_options(spec)
  for name in pairs(spec) do
    if not CORE[name] then
      return true
    end
  end
  return false
end

local function validate(s, spec)
  check.name("queue", spec.queue)
  check.name("jid", spec.jid)
  check.line("klass", spec.klass)
  check.data(s, spec.data)
  if has_options(spec) then
    require("lib.job.put_checks").check(spec, CORE)
  end
end

-- The put that four arguments and a packed map of options stand for.
function put.spec(queue, jid, klass, data, packed)
  local spec = check.options("options", packed)
  for name in pairs(spec) do
    if CORE[name] then
      errors.bad("options hold " .. name .. ", which is an argument of its own")
    end
  end
  spec.queue, spec.jid, spec.klass, spec.data = queue, jid, klass, data
  return spec
end

-- Finds the job of that jid, if it is not known, and whether a recurring job has it. Jids of 32
-- characters are made up by the library, for jobs alone.
local function find(jid, known)
  if #jid == 32 then
    return known == nil and job_lib.find(jid) or known
  elseif known ~= nil then
    return known, not known and redis.call("EXISTS", keys.recurring(jid)) == 1
  end
  local found = redis.call("MGET", keys.job(jid), keys.recurring(jid))
  return found[1] and job_lib.parse(jid, found[1]), found[2]
end

-- Whether the put yields to a recurring job of its jid.
local function yields(s, spec)
  if not s.lenient_puts and spec.on_conflict ~= "ignore" then
    errors.raise("EXISTS", "Recurring job " .. spec.jid .. " exists")
  end
  return true
end

-- Decides what a valid put would do; `s.planned_jids` holds the jids of the same call. `existing`
-- is the job of that jid, false when it is known that there is none.
function put.decide(s, spec, existing)
  s.planned_jids = s.planned_jids or {}
  local plan = { spec = spec, options = has_options(spec) }
  local recurs
  plan.existing, recurs = find(spec.jid, existing)
  if recurs and not plan.existing and yields(s, spec) then
    plan.ignored = spec.jid
  elseif plan.options then
    require("lib.job.put_conflict").decide(s, plan)
  end
  if not plan.ignored then
    s.planned_jids[spec.jid] = true
  end
  return plan
end

-- What a completion leaves behind is parked rather than refused.
local function check_claims(s, plan)
  local claims = require("lib.admission.throttle_claims")
  local before = plan.existing and plan.existing.record
  claims.check_match(plan.spec, before)
  if not s.lenient_puts then
    claims.check_payable(s, plan.spec, before)
  end
end

-- Checks one put and returns what `apply` needs.
function put.check(s, spec, existing)
  validate(s, spec)
  if s.planned_jids and s.planned_jids[spec.jid] then
    errors.bad("jid " .. spec.jid .. " is put twice in one call")
  end
  local plan = put.decide(s, spec, existing)
  if (spec.throttles or spec.costs) and not plan.ignored then
    check_claims(s, plan)
  end
  return plan
end

-- Refuses fields that would make no valid put, whatever the keyspace holds when it happens.
function put.check_later(s, spec)
  validate(s, spec)
  require("lib.job.put_checks").check_later(spec)
  spec.on_conflict = "ignore"
  return spec
end

local function new_job(s, spec)
  local record = { klass = spec.klass, retries = spec.retries or 5 }
  if s.has_tracked_jobs and redis.call("ZSCORE", keys.tracked(), spec.jid) then
    record.tracked = true
  end
  return { jid = spec.jid, record = record, data = "" }
end

local function place(s, job, spec, at)
  local name = spec.queue
  local due = spec.delay and spec.delay > 0 and s.now + spec.delay or nil
  if job.record.parents and redis.call("EXISTS", keys.dependencies(job.jid)) == 1 then
    queue_lib.to_depends(s, job, name, due)
  else
    queue_lib.to_ready(s, job, name, due, at)
  end
end

local function announce(s, job, plan)
  local spec = plan.spec
  if not spec.spawned_from then
    events.log(s, "put", job.jid, spec.queue)
  end
  if plan.lost then
    events.lost(s, plan.lost, "lock_lost")
  end
  events.tracked(s, "put", job)
end

-- Writes what was checked. Returns {jid, whether this put made or replaced the job of that jid}.
-- `at` is the slot of a recurring child, which counts as the time of its put.
function put.apply(s, plan, at)
  local spec = plan.spec
  if plan.ignored then
    return require("lib.job.put_options").answer_ignored(plan)
  end
  local more = plan.options or plan.existing
  local job = plan.existing and require("lib.job.put_options").take_over(s, plan)
    or new_job(s, spec)
  local record = job.record
  record.queue, record.put_at = spec.queue, at or s.now
  record.generation = session.next(s)
  record.history = record.history or {}
  job_lib.note(job, s, "put", { queue = spec.queue }, at)
  if more then
    require("lib.job.put_options").set_options(s, job, plan)
  end
  job_lib.set_data(job, spec.data)
  place(s, job, spec, at)
  if more then
    require("lib.job.put_options").remember(s, job, plan)
  end
  job_lib.save(job)
  stats.add(s, spec.queue, "put", 1)
  announce(s, job, plan)
  return { job.jid, true }
end

return put
