-- Restores jobs of an export: as puts that keep their age or, if they have ended, directly in the
-- state that they had. All are checked before the first is written.

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local history = require("lib.job.history")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local lists = require("lib.core.lists")
local put = require("lib.job.put")
local put_checks = require("lib.job.put_checks")
local queue_lib = require("lib.queue.queue")

local restore = {}

local LATEST = 2 ^ 52
local MOST = 2147483647
local ENDED = { failed = true, complete = true }
local POLICIES = { wait = true, cancel = true, fail = true, run = true }
local FAILURE = { group = true, message = true, when = true, worker = true }

local function instant(what, value)
  check.count(what, value, 0, LATEST)
end

local function number(what, value)
  check.count(what, value, 0, MOST)
end

local function check_entry(what, entry)
  check.list(what, entry, 2, 3)
  check.line(what, entry[1])
  instant(what, entry[2])
  if entry[3] ~= nil then
    check.map(what, entry[3])
  end
end

-- The fields of a job beyond those of a put.
local validators = {
  state = function(what, value)
    check.one_of(what, value, ENDED)
  end,
  put_at = instant,
  eligible_at = instant,
  ended_at = instant,
  left = function(what, value)
    check.count(what, value, -1, MOST)
  end,
  crashes = number,
  stalls = number,
  tries = function(what, value)
    check.text(what, value, limits.policy)
  end,
  spawned_from = check.name,
  -- as many as a job may have, which is more than one put may name
  tags = function(what, value)
    check.names(what, value, 0, limits.tags)
  end,
  depends = function(what, value)
    check.names(what, value, 0, limits.edges)
  end,
  -- those of `depends` that the job still waits for
  waits = function(what, value)
    check.names(what, value, 0, limits.edges)
  end,
  policies = function(what, value)
    for parent, policy in pairs(check.map(what, value)) do
      check.name(what, parent)
      check.one_of(what, policy, POLICIES)
    end
  end,
  failure = function(what, value)
    check.map(what, value, FAILURE)
    check.line(what .. " group", value.group)
    check.text(what .. " message", value.message, 65536)
    instant(what .. " when", value.when)
    check.text(what .. " worker", value.worker, 128)
  end,
  history = function(what, value)
    for _, entry in ipairs(check.list(what, value, 1, limits.call)) do
      check_entry(what, entry)
    end
  end,
  -- the position of the result among the data
  result = function(what, value)
    check.count(what, value, 1, 2 * limits.call)
  end,
  -- the key is not taken while the job has ended
  unique = function(what, value)
    require("lib.job.unique").check(what, value)
  end,
}

-- Options of a put that make no sense for a job that was put before.
local REFUSED = { "parent", "lease", "worker", "expects", "adds", "delay", "expires_in",
  "on_conflict", "unique_conflict", "on_parent_failed" }

-- Takes the fields beyond those of a put out of the spec, and checks them.
local function split(spec)
  local own = {}
  for name, validate in pairs(validators) do
    if spec[name] ~= nil then
      validate(name, spec[name])
      own[name], spec[name] = spec[name], nil
    end
  end
  for _, name in ipairs(REFUSED) do
    if spec[name] ~= nil then
      errors.bad("a restored job has no " .. name)
    end
  end
  return own
end

-- Refuses fields that exclude each other in a job that has ended.
local function check_ended(own, spec)
  if own.state == "failed" and not own.failure then
    errors.bad("a failed job needs a failure")
  end
  if spec.at then
    errors.bad("a job that has ended has no at")
  end
  if own.state == "complete" and own.depends then
    errors.bad("a complete job has no parents")
  end
end

-- Refuses fields that the state needs or excludes.
local function check_state(own, spec)
  if not own.put_at then
    errors.bad("put_at is missing")
  end
  if (own.state == nil) ~= (own.ended_at == nil) then
    errors.bad("state and ended_at must be given together")
  end
  if own.result and own.state ~= "complete" then
    errors.bad("only a complete job has a result")
  end
  if own.state then
    check_ended(own, spec)
    -- It is no member any more: the batch has counted it.
    own.batch, spec.batch = spec.batch and check.name("batch", spec.batch), nil
  end
end

-- Finds the parents that the job waits for: of those that it waited for, those that are there.
local function plan_parents(s, plan, own)
  local waits = lists.set(own.waits or {})
  local there = require("lib.job.dependencies").unresolved(s, plan.spec.jid, own.depends, false)
  plan.parents = {}
  for _, parent in ipairs(there) do
    if waits[parent] then
      plan.parents[#plan.parents + 1] = parent
    end
  end
  plan.spec.depends, plan.spec.policies = own.depends, own.policies
end

local function check_job(s, spec, data, position, conflicts)
  local own = split(spec)
  check_state(own, spec)
  spec.data, spec.on_conflict = data[position], conflicts.on_conflict
  spec.unique_conflict = conflicts.unique_conflict
  if not own.state then
    spec.unique = own.unique
  end
  own.result_data = own.result and check.data(s, data[own.result])
  local plan = put.check(s, spec)
  plan.own, spec.tags = own, own.tags
  if not plan.ignored and own.depends then
    plan_parents(s, plan, own)
  end
  -- Nothing waits for a job that is complete already.
  if own.state == "complete" then
    s.planned_jids[spec.jid] = nil
  end
  return plan
end

-- Checks the jobs of a call; returns a plan for each. `conflicts`, if given, says what to do about
-- jids and unique keys that are taken; without it, such a job is left out.
function restore.check(s, specs, data, conflicts)
  local fields, seen, edges, plans = put_checks.fields(), {}, 0, {}
  for name in pairs(validators) do
    fields[name] = true
  end
  s.lenient_puts = true -- Jobs that cost more than a throttle holds are parked.
  for i, spec in ipairs(specs) do
    put_checks.check_entry(spec, i)
    check.map("job " .. i, spec, fields)
    local jid = check.name("jid", spec.jid)
    if seen[jid] then
      errors.bad("jid " .. jid .. " is restored twice in one call")
    end
    seen[jid] = true
    plans[i] = check_job(s, spec, data, i, conflicts or { on_conflict = "ignore" })
    edges = edges + #(plans[i].own.depends or {})
  end
  if edges > limits.edges then
    errors.bad("the jobs of one call can have at most " .. limits.edges .. " parents")
  end
  return plans
end

-- Replaces the history that the put has begun.
local function set_history(s, job, own)
  if own.history then
    local last = table.remove(own.history)
    history.set(job.record, own.history)
    history.add(job, s, last[1], last[3], last[2])
  end
  history.add(job, s, "restored")
end

local function set_failure(job, failure)
  redis.call("SET", keys.failure(job.jid), cmsgpack.pack(failure))
  job.record.has_failure = true
end

-- Sets what a put does not: retries spent, crashes, history and the last failure.
local function set_past(s, job, own)
  local record = job.record
  job_lib.set_retries_left(job, own.left or record.retries)
  record.crashes, record.stalls, record.tries = own.crashes, own.stalls, own.tries
  record.spawned_from, record.unique = own.spawned_from, own.unique
  if own.failure then
    set_failure(job, own.failure)
  end
  set_history(s, job, own)
end

local function apply_put(s, plan, own)
  local at = math.min(own.put_at, s.now)
  plan.eligible = math.min(own.eligible_at or at, s.now)
  put.apply(s, plan, at)
  local job = job_lib.find(plan.spec.jid)
  set_past(s, job, own)
  job_lib.save(job)
end

local function fail(s, job, own, at)
  local record, group = job.record, own.failure.group
  record.state, record.group, record.failed_at = "failed", group, at
  redis.call("ZADD", keys.failed_group(group), at, job.jid)
  redis.call("ZADD", keys.failed(), "GT", at, group)
  queue_lib.list(s, record.queue)
end

local function complete(job, own, at)
  local record = job.record
  record.state, record.completed_at, record.queue = "complete", at, nil
  redis.call("ZADD", keys.complete(), at, job.jid)
  job_lib.set_result(job, own.result_data or "")
end

-- Makes a job that has ended, without any of the events of its end: those were long ago.
local function apply_ended(s, plan, own)
  local spec = plan.spec
  local job = put.new_job(s, spec, own.put_at)
  local record = job.record
  history.set(record, { { "put", own.put_at, { queue = spec.queue } } })
  job_lib.set_data(job, spec.data)
  require("lib.job.put_options").set_options(s, job, plan)
  record.batch = own.batch
  set_past(s, job, own)
  local at = math.min(own.ended_at, s.now)
  if own.state == "failed" then
    fail(s, job, own, at)
  else
    complete(job, own, at)
  end
  job_lib.save(job)
end

-- Writes what was checked; each jid is remembered for `span` ms.
function restore.apply(s, plans, span)
  local replies = {}
  for i, plan in ipairs(plans) do
    local own, jid = plan.own, plan.spec.jid
    if plan.ignored then
      replies[i] = put.apply(s, plan)
    else
      local write = own.state and apply_ended or apply_put
      write(s, plan, own)
      if span > 0 then
        redis.call("ZADD", keys.tombstones(), s.now + span, jid)
      end
      replies[i] = { jid, true }
    end
  end
  return replies
end

return restore
