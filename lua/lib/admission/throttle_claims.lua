-- What a job claims: its user, the throttles that it names, and what it costs of each.

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local limits = require("lib.core.limits")
local lists = require("lib.core.lists")

local throttle_claims = {}

-- A user, or false to remove it.
function throttle_claims.check_user(what, value)
  if value ~= false then
    check.name(what, value)
  end
end

function throttle_claims.check_throttles(what, value)
  for _, id in ipairs(check.names(what, value, 0, limits.throttles)) do
    if string.find(id, "^queue:") or string.find(id, "^user:") then
      errors.bad(what .. " holds " .. id .. ", which a job gets from its queue or user")
    end
  end
end

function throttle_claims.check_costs(what, value)
  for id, cost in pairs(check.map(what, value)) do
    check.name(what, id)
    check.within(what .. " of " .. id, cost, limits.least, limits.most)
  end
end

-- Refuses costs for throttles that the job would not have. `before` is its record so far, if any.
function throttle_claims.check_match(spec, before)
  local own = spec.throttles or (before and before.throttles)
  for id in pairs(spec.costs or {}) do
    if not lists.contains(own, id) then
      errors.bad("costs holds " .. id .. ", which is not a throttle of the job")
    end
  end
end

-- Refuses costs that a throttle, as it is now, could never pay.
function throttle_claims.check_payable(s, spec, before)
  local throttles = require("lib.admission.throttles")
  local old = before or {}
  local costs = spec.costs or old.costs or {}
  for _, id in ipairs(spec.throttles or old.throttles or {}) do
    local cost, burst = costs[id] or 1, throttles.burst(s, id)
    if cost > burst then
      errors.bad(string.format("costs %.14g of throttle %s, which holds at most %.14g", cost, id,
        burst))
    end
  end
end

local function kept_costs(costs, own)
  local kept = {}
  for id, cost in pairs(costs or {}) do
    if lists.contains(own, id) then
      kept[id] = cost
    end
  end
  return next(kept) and kept or nil
end

-- Sets in the record what a put gives; the rest stays.
function throttle_claims.set(record, spec)
  if spec.user ~= nil then
    record.user = spec.user or nil
  end
  if spec.throttles then
    record.throttles = #spec.throttles > 0 and spec.throttles or nil
  end
  record.costs = kept_costs(spec.costs or record.costs, record.throttles)
end

return throttle_claims
