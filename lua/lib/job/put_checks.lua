-- The options of a put beyond its queue, jid, klass and data, and the values that each accepts.

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local limits = require("lib.core.limits")
local lists = require("lib.core.lists")

local put_checks = {}

local POLICIES = { wait = true, cancel = true, fail = true, run = true }
local CONFLICTS = { replace = true, ignore = true, raise = true }
local JID_CONFLICTS = { replace = true, ignore = true, raise = true, revive = true }
local MAX_SPAN = 3155760000000

local validators = {
  priority = check.finite,
  retries = function(what, value)
    check.count(what, value, 0, 2147483647)
  end,
  tags = function(what, value)
    check.names(what, value, 0, limits.call)
  end,
  delay = check.delay,
  -- when it may run, instead of a delay; in the past: at once
  at = function(what, value)
    check.count(what, value, 0, 2 ^ 52)
  end,
  depends = function(what, value)
    check.names(what, value, 0, limits.call)
  end,
  on_parent_failed = function(what, value)
    check.one_of(what, value, POLICIES)
  end,
  -- whether `depends` are added to the parents that the job has
  adds = check.boolean,
  -- policies for single parents, which must be in `depends`
  policies = function(what, value)
    for parent, policy in pairs(check.map(what, value)) do
      check.name(what, parent)
      check.one_of(what, policy, POLICIES)
    end
  end,
  -- jobs that must exist for the put to take effect
  expects = function(what, value)
    check.names(what, value, 0, limits.call)
  end,
  on_conflict = function(what, value)
    check.one_of(what, value, JID_CONFLICTS)
  end,
  unique = function(what, value)
    require("lib.job.unique").check(what, value)
  end,
  unique_conflict = function(what, value)
    check.one_of(what, value, CONFLICTS)
  end,
  keep = function(what, value)
    check.count(what, value, 1, MAX_SPAN)
  end,
  expires = function(what, value)
    check.count(what, value, 0, 2 ^ 52)
  end,
  expires_in = function(what, value)
    check.count(what, value, 1, MAX_SPAN)
  end,
  soft_limit = function(what, value)
    check.count(what, value, 1, MAX_SPAN)
  end,
  hard_limit = function(what, value)
    check.count(what, value, 1, MAX_SPAN)
  end,
  -- a retry policy that workers read; opaque here
  retry = function(what, value)
    check.text(what, value, limits.policy)
  end,
  user = function(what, value)
    require("lib.admission.throttle_claims").check_user(what, value)
  end,
  throttles = function(what, value)
    require("lib.admission.throttle_claims").check_throttles(what, value)
  end,
  costs = function(what, value)
    require("lib.admission.throttle_claims").check_costs(what, value)
  end,
  -- what travels with the job to its workers, such as trace context; opaque here
  context = function(what, value)
    require("lib.job.context").check(what, value)
  end,
  batch = check.name,
  worker = check.name,
  codec = check.name,
  parent = check.name,
  lease = function(what, value)
    check.text(what, value, 200)
  end,
}

-- The fields of a job that is one of several in a call.
function put_checks.fields()
  local fields = { jid = true, klass = true, queue = true, data = true }
  for name in pairs(validators) do
    fields[name] = true
  end
  return fields
end

-- Refuses the i-th of several jobs unless it is a map without its data, which is an argument of its
-- own.
function put_checks.check_entry(spec, i)
  if type(spec) ~= "table" then
    errors.bad("job " .. i .. " is not a map")
  elseif spec.data ~= nil then
    errors.bad("job " .. i .. " carries its data among its fields")
  end
end

-- Refuses policies for jobs that are not parents.
local function check_policies(spec)
  local parents = lists.set(spec.depends or {})
  for parent in pairs(spec.policies) do
    if not parents[parent] then
      errors.bad("policies hold " .. parent .. ", which is not in depends")
    end
  end
end

-- Refuses options that need each other or exclude each other.
local function check_pairs(spec)
  if (spec.parent == nil) ~= (spec.lease == nil) then
    errors.bad("parent and lease must be given together")
  end
  if spec.expires ~= nil and spec.expires_in ~= nil then
    errors.bad("expires and expires_in cannot be given together")
  end
  if spec.at ~= nil and spec.delay ~= nil then
    errors.bad("at and delay cannot be given together")
  end
  if spec.adds and spec.unique_conflict == "replace" then
    errors.bad("adds and unique_conflict replace cannot be given together")
  end
end

-- Refuses unknown options and invalid values. `core` are the fields that are no options.
function put_checks.check(spec, core)
  for name, value in pairs(spec) do
    if validators[name] then
      validators[name](name, value)
    elseif not core[name] then
      errors.bad("options hold the unknown field " .. errors.quoted(name))
    end
  end
  if spec.policies ~= nil then
    check_policies(spec)
  end
  check_pairs(spec)
  if spec.parent ~= nil and spec.parent == spec.jid then
    errors.bad("a job cannot put itself on its own behalf")
  end
end

-- Refuses options that could make the put fail when it happens later, whatever the keyspace holds
-- by then.
function put_checks.check_later(spec)
  if spec.parent or spec.batch or spec.unique_conflict or spec.on_conflict or spec.depends
    or spec.expects then
    errors.bad("the job of a callback cannot have parent, batch, depends, expects, on_conflict or "
      .. "unique_conflict")
  end
  if spec.costs then
    require("lib.admission.throttle_claims").check_match(spec, nil)
  end
end

return put_checks
