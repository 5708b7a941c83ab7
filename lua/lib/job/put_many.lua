-- Puts several jobs in one call: all are checked before the first is written.

local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local put = require("lib.job.put")
local put_checks = require("lib.job.put_checks")
local queue_lib = require("lib.queue.queue")

local put_many = {}

-- Checks the jobs of a list; each gets the data at its position. `defaults` are fields that a job
-- may leave out, `known` the jobs of these jids if the caller has them.
function put_many.check(s, specs, data, defaults, known)
  local jids, options = {}, {}
  for i, spec in ipairs(specs) do
    put_checks.check_entry(spec, i)
    for name, value in pairs(defaults) do
      if spec[name] == nil then
        spec[name] = value
      end
    end
    spec.data = data[i]
    options[i] = put.validate(s, spec)
    jids[i] = spec.jid
  end
  local plans = {}
  for i, existing in ipairs(known or job_lib.find_all(jids)) do
    plans[i] = put.plan(s, specs[i], options[i], existing)
  end
  return plans
end

-- Reads again what an earlier job of the same call may have changed since the check.
local function reload(plan)
  plan.existing = (plan.existing or plan.replaces_holder) and job_lib.find(plan.spec.jid)
end

-- Whether the put makes a new job that has nothing but its queue, klass and data.
local function is_plain(plan)
  return not (plan.options or plan.existing or plan.ignored)
end

-- Writes plain puts into one queue by a few commands for all of them.
local function apply_plain(s, plans)
  local jobs, values = {}, {}
  for i, plan in ipairs(plans) do
    jobs[i] = put.make(s, plan)
  end
  queue_lib.all_to_waiting(s, jobs, plans[1].spec.queue)
  for i, job in ipairs(jobs) do
    values[2 * i - 1], values[2 * i] = keys.job(job.jid), job_lib.pack(job)
    put.announce(s, job, plans[i])
  end
  redis.call("MSET", unpack(values))
end

-- Writes what was checked, in its order: a job may depend on one before it.
function put_many.apply(s, plans)
  local replies, together = {}, {}
  for i, plan in ipairs(plans) do
    local plain = is_plain(plan)
    if together[1] and not (plain and plan.spec.queue == together[1].spec.queue) then
      apply_plain(s, together)
      together = {}
    end
    if plain then
      together[#together + 1] = plan
      replies[i] = { plan.spec.jid, true }
    else
      reload(plan)
      replies[i] = put.apply(s, plan)
    end
  end
  if together[1] then
    apply_plain(s, together)
  end
  return replies
end

return put_many
