-- Puts several jobs in one call: all are checked before the first is written.

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local job_lib = require("lib.job.job")
local put = require("lib.job.put")
local put_checks = require("lib.job.put_checks")

local put_many = {}

-- Checks the jobs of a list; each gets the data at its position. `defaults` are fields that a job
-- may leave out, `known` the jobs of these jids if the caller has them.
function put_many.check(s, specs, data, defaults, known)
  local jids, fields = {}, put_checks.fields()
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
  for i, existing in ipairs(known or job_lib.find_all(jids)) do
    plans[i] = put.check(s, specs[i], existing)
  end
  return plans
end

-- Reads again what an earlier job of the same call may have changed since the check.
local function reload(plan)
  plan.existing = (plan.existing or plan.replaces_holder) and job_lib.find(plan.spec.jid)
end

function put_many.apply(s, plans)
  local replies = {}
  for i, plan in ipairs(plans) do
    reload(plan)
    replies[i] = put.apply(s, plan)
  end
  return replies
end

return put_many
