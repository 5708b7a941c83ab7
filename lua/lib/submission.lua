-- A put in two halves: `check` reads and refuses, `apply` writes. Everything that makes a job
-- goes through here: put, put_many, requeue, follow-ups, batch call-backs, recurring children.

local check = require("lib.check")
local errors = require("lib.errors")
local events = require("lib.events")
local job_lib = require("lib.job")
local keys = require("lib.keys")
local limits = require("lib.limits")
local queue_lib = require("lib.queue")
local session = require("lib.session")
local stats = require("lib.stats")

local submission = {}

local POLICIES = { wait = true, cancel = true, fail = true, run = true }
local CONFLICTS = { replace = true, ignore = true, raise = true }
local LONGEST = 3155760000000

local validators = {
  priority = check.finite,
  retries = function(what, value)
    check.count(what, value, 0, 2147483647)
  end,
  tags = function(what, value)
    check.names(what, value, 0, limits.call)
  end,
  delay = check.delay,
  depends = function(what, value)
    check.names(what, value, 0, limits.call)
  end,
  on_parent_failed = function(what, value)
    check.one_of(what, value, POLICIES)
  end,
  on_conflict = function(what, value)
    check.one_of(what, value, CONFLICTS)
  end,
  unique = function(what, value)
    require("lib.unique").check(what, value)
  end,
  unique_conflict = function(what, value)
    check.one_of(what, value, CONFLICTS)
  end,
  keep = function(what, value)
    check.count(what, value, 1, LONGEST)
  end,
  batch = check.name,
  worker = check.name,
  codec = check.name,
  parent = check.name,
  lease = function(what, value)
    check.text(what, value, 200)
  end,
}

-- The fields that an option map of one put may hold, as the keys of a table.
submission.OPTIONS = validators

-- The same with the fields of a job that is one of many in a call.
function submission.fields()
  local fields = { jid = true, klass = true, queue = true, data = true }
  for name in pairs(validators) do
    fields[name] = true
  end
  return fields
end

-- Refuses data over the limit.
function submission.check_data(s, data)
  check.given("data", data)
  if #data > s.data_limit then
    errors.raise("TOOLARGE", "data has " .. #data .. " bytes; the limit is " .. s.data_limit)
  end
  return data
end

local function validate(s, spec)
  check.name("queue", spec.queue)
  check.name("jid", spec.jid)
  check.line("klass", spec.klass)
  submission.check_data(s, spec.data)
  for name, validator in pairs(validators) do
    if spec[name] ~= nil then
      validator(name, spec[name])
    end
  end
  if (spec.parent == nil) ~= (spec.lease == nil) then
    errors.bad("parent and lease are given together or not at all")
  end
  if spec.parent == spec.jid then
    errors.bad("a job cannot put itself on its own behalf")
  end
end

local function ignored(plan, jid)
  plan.ignored = jid
  return plan
end

-- A put on behalf of a running job needs its lease, and happens once however often it runs.
local function put_before(spec)
  if not spec.parent then
    return false
  end
  require("lib.lease").load(spec.parent, spec.lease)
  return redis.call("SISMEMBER", keys.followups(spec.parent), spec.jid) == 1
end

local function exists_or_remembered(s, plan)
  if plan.existing then
    return true
  end
  local kept = redis.call("ZSCORE", keys.tombstones(), plan.spec.jid)
  return kept and tonumber(kept) > s.now
end

-- Whether the jid decides the put: true when it is to be ignored.
local function jid_conflict(s, plan)
  local policy = plan.spec.on_conflict or "replace"
  if policy == "replace" or not exists_or_remembered(s, plan) then
    return false
  elseif policy == "raise" then
    errors.raise("EXISTS", "Job " .. plan.spec.jid .. " already exists")
  end
  return true
end

-- Data can be replaced until the holder runs; of a window's holder only the jid may be left.
local function replaceable(holder)
  local state = holder.record and holder.record.state
  return state and state ~= "running" and state ~= "complete"
end

-- Who holds the unique key now, or will by an earlier put of the same call.
local function key_holder(s, spec)
  local key = spec.unique.key
  local claims = s.claims or {}
  s.claims = claims
  local holder = claims[key] or require("lib.unique").holder(s, key)
  claims[key] = holder or { jid = spec.jid }
  return holder
end

-- Whether the unique key decides the put: the holder's jid, or nil.
local function key_conflict(s, plan)
  local spec = plan.spec
  local holder = spec.unique and key_holder(s, spec)
  if not holder or holder.jid == spec.jid then
    return nil
  end
  local policy = spec.unique_conflict or "ignore"
  if policy == "raise" or (policy == "replace" and not replaceable(holder)) then
    errors.raise("EXISTS", "Job " .. holder.jid .. " holds the unique key " .. spec.unique.key)
  end
  plan.replace = policy == "replace" and holder or nil
  return holder.jid
end

local function parents_of(s, plan)
  local depends = plan.spec.depends
  if depends and #depends > 0 then
    plan.parents = require("lib.dependencies").unresolved(s, plan.spec.jid, depends, plan.existing)
  end
end

-- Decides what a valid put would do; `s.planned` holds the jids of the same call.
function submission.decide(s, spec, existing)
  s.planned = s.planned or {}
  local plan = { spec = spec, existing = existing or job_lib.find(spec.jid) }
  if put_before(spec) or jid_conflict(s, plan) then
    return ignored(plan, spec.jid)
  end
  local holder = key_conflict(s, plan)
  if holder then
    return ignored(plan, holder)
  end
  if spec.batch then
    require("lib.batches").require_open(spec.batch)
  end
  parents_of(s, plan)
  s.planned[spec.jid] = true
  return plan
end

-- Checks one put and returns what `apply` needs.
function submission.check(s, spec, existing)
  validate(s, spec)
  if s.planned and s.planned[spec.jid] then
    errors.bad("jid " .. spec.jid .. " is put twice in one call")
  end
  return submission.decide(s, spec, existing)
end

-- Refuses fields that would make no valid put, whatever the keyspace holds when it happens.
function submission.check_later(s, spec)
  validate(s, spec)
  if spec.parent or spec.batch or spec.unique_conflict or spec.on_conflict or spec.depends then
    errors.bad("a job put later takes no parent, batch, depends or rule of conflict")
  end
  spec.on_conflict = "ignore"
  return spec
end

local function new_job(s, spec)
  local record = { klass = spec.klass, retries = spec.retries or 5 }
  if s.tracking and redis.call("ZSCORE", keys.tracked(), spec.jid) then
    record.tracked = true
  end
  return { jid = spec.jid, record = record, data = "" }
end

-- The worker that loses the job to this put, as the event needs it.
local function loser(job, spec)
  local record = job.record
  if record.state == "running" and record.worker ~= spec.worker then
    return { jid = job.jid, record = { queue = record.queue, worker = record.worker,
      lease = record.lease } }
  end
  return nil
end

local function drop_traces(job)
  local record = job.record
  if record.has_result or record.has_progress then
    redis.call("DEL", keys.result(job.jid), keys.progress(job.jid))
  end
  if record.followups then
    redis.call("DEL", keys.followups(job.jid))
  end
  record.has_result, record.has_progress, record.followups = nil, nil, nil
  record.crashes, record.left, record.order, record.due = nil, nil, nil, nil
end

-- Takes an existing job out of its place and undoes what belonged to its last run.
local function take_over(s, plan)
  local job, spec = plan.existing, plan.spec
  local record = job.record
  local state = record.state
  plan.lost = loser(job, spec)
  queue_lib.leave(s, job)
  if state == "failed" or state == "complete" then
    require("lib.batches").rejoin(job, state == "failed" and "failed" or "completed")
  end
  drop_traces(job)
  record.klass = spec.klass
  record.retries = spec.retries or record.retries
  return job
end

local function set_batch(s, job, batch)
  local record = job.record
  local batches = batch and require("lib.batches")
  if not batch or batch == record.batch then
    return
  end
  batches.leave(s, job, "canceled")
  record.batch = batch
  batches.join(batch, job.jid)
end

local function set_unique(job, own)
  local before = job.record.unique
  if not own then
    return
  elseif before and before.key ~= own.key then
    require("lib.unique").drop(job)
  end
  job.record.unique = own
end

local function set_options(s, job, spec)
  local record = job.record
  if spec.priority then
    record.priority = spec.priority ~= 0 and spec.priority or nil
  end
  if spec.tags then
    require("lib.tags").replace(s, job, spec.tags)
  end
  record.codec = spec.codec
  record.keep = spec.keep or record.keep
  record.spawned_from = spec.spawned_from or record.spawned_from
  set_unique(job, spec.unique)
  set_batch(s, job, spec.batch)
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

local function relink(s, job, plan)
  local depends = plan.spec.depends
  if not depends or #depends == 0 then
    return
  end
  local dependencies = require("lib.dependencies")
  dependencies.unlink(job)
  if #plan.parents > 0 then
    dependencies.link(s, job, plan.parents, plan.spec.on_parent_failed or "wait")
  end
end

local function replace_data(plan)
  local holder = plan.replace
  job_lib.set_data(holder, plan.spec.data)
  holder.record.codec = plan.spec.codec
  job_lib.save(holder)
end

local function answer_ignored(plan)
  if plan.replace then
    replace_data(plan)
  end
  return { plan.ignored, false }
end

-- What else the put has to remember once the job is in its place.
local function remember(s, job, plan)
  local spec = plan.spec
  if job.record.unique then
    require("lib.unique").take(s, job)
  end
  if spec.parent then
    submission.remember(spec)
  end
  if not plan.existing and (spec.keep or spec.on_conflict) then
    redis.call("ZREM", keys.tombstones(), job.jid)
  end
end

-- Writes what was checked. Returns {jid, whether this put made or replaced the job of that jid}.
-- `at` is the slot of a recurring child, which counts as the time of its put.
function submission.apply(s, plan, at)
  local spec = plan.spec
  if plan.ignored then
    return answer_ignored(plan)
  end
  local job = plan.existing and take_over(s, plan) or new_job(s, spec)
  local record = job.record
  record.queue, record.put_at = spec.queue, at or s.now
  record.generation = session.next(s)
  record.history = record.history or {}
  job_lib.note(job, s, "put", { queue = spec.queue }, at)
  set_options(s, job, spec)
  relink(s, job, plan)
  job_lib.set_data(job, spec.data)
  place(s, job, spec, at)
  remember(s, job, plan)
  job_lib.save(job)
  stats.add(s, spec.queue, "put", 1)
  announce(s, job, plan)
  return { job.jid, true }
end

-- Notes a jid that a running job put before its own end.
function submission.remember(spec)
  local key = keys.followups(spec.parent)
  redis.call("SADD", key, spec.jid)
  local parent = job_lib.find(spec.parent)
  if not parent.record.followups then
    parent.record.followups = true
    job_lib.save(parent)
  end
end

-- Checks the jobs of a list against the data that follows, each with the data at its place.
-- `defaults` are fields that a job may leave out.
function submission.check_all(s, specs, data, defaults)
  local jids, fields = {}, submission.fields()
  for i, spec in ipairs(specs) do
    check.map("job " .. i, spec, fields)
    if spec.data ~= nil then
      errors.bad("job " .. i .. " carries its data among its fields")
    end
    jids[i] = check.name("jid", spec.jid)
    for name, value in pairs(defaults) do
      if spec[name] == nil then
        spec[name] = value
      end
    end
    spec.data = data[i]
  end
  local plans = {}
  for i, existing in ipairs(job_lib.find_all(jids)) do
    plans[i] = submission.check(s, specs[i], existing)
  end
  return plans
end

function submission.apply_all(s, plans)
  local replies = {}
  for i, plan in ipairs(plans) do
    replies[i] = submission.apply(s, plan)
  end
  return replies
end

return submission
