-- Restores the record of a batch of an export. Its members are restored into it afterwards.

local batches = require("lib.batch.batches")
local check = require("lib.core.check")
local errors = require("lib.core.errors")
local keys = require("lib.core.keys")
local put = require("lib.job.put")

local restored_batch = {}

local LATEST = 2 ^ 52
local TIMES = { "opened_at", "closed_at", "finished_at", "canceled_at" }
local OUTCOMES = { "completed", "failed", "canceled" }
local COUNTED = { completed = true, failed = true, canceled = true }
local KNOWN = { fired = true, within = true, counted = true, data = true }
for _, names in ipairs({ TIMES, OUTCOMES, batches.CALLBACKS }) do
  for _, name in ipairs(names) do
    KNOWN[name] = true
  end
end

-- The fields of a batch, as far as they can be checked without reading.
function restored_batch.read(packed)
  local given = check.options("fields", packed, KNOWN)
  check.count("opened_at", given.opened_at, 0, LATEST)
  check.name("within", given.within or "none")
  check.one_of("counted", given.counted or "completed", COUNTED)
  if (given.finished_at == nil) ~= (given.closed_at == nil) then
    errors.bad("finished_at and closed_at must be given together")
  elseif given.counted and not (given.within and given.finished_at) then
    errors.bad("counted needs within and finished_at")
  end
  return given
end

local function add(plan, name, value)
  local record = plan.record
  record[#record + 1], record[#record + 2] = name, value
end

local function add_number(plan, name, value)
  add(plan, name, string.format("%.0f", check.count(name, value, 0, LATEST)))
end

-- Members that have ended are counted; those that are restored into the batch are added by that.
local function add_numbers(plan)
  local given, total = plan.given, 0
  for _, name in ipairs(TIMES) do
    if given[name] ~= nil then
      add_number(plan, name, given[name])
    end
  end
  for _, name in ipairs(OUTCOMES) do
    add_number(plan, name, given[name] or 0)
    total = total + (given[name] or 0)
  end
  add_number(plan, "total", total)
end

local function data_of(s, plan, name, position)
  local value = plan.data[check.count(name .. " data", position, 1, 4)]
  return check.data(s, check.given(name .. " data", value))
end

local function add_callbacks(s, plan)
  local given = plan.given
  for _, name in ipairs(batches.CALLBACKS) do
    if given[name] ~= nil then
      local spec = check.map(name, given[name], require("lib.job.put_checks").fields())
      spec.data = data_of(s, plan, name, spec.data)
      add(plan, name, cmsgpack.pack(put.check_later(s, spec)))
    end
  end
  for _, name in ipairs(check.names("fired", given.fired or {}, 0, 3)) do
    if given[name] == nil then
      errors.bad("fired holds " .. name .. ", which is no callback of the batch")
    end
    add(plan, name .. "_fired", "1")
  end
end

-- A nested batch that was counted in the outer one only remembers that.
local function check_outer(plan)
  local given = plan.given
  if given.counted then
    add(plan, "within", given.within)
    add(plan, "counted", given.counted)
  elseif given.within then
    batches.require_open(given.within)
    plan.outer = given.within
  end
end

-- Checks a batch; returns the plan that `apply` needs.
function restored_batch.check(s, batch, given, data)
  local plan = { batch = batch, given = given, data = data, record = {} }
  add_numbers(plan)
  add_callbacks(s, plan)
  plan.remembered = given.data ~= nil and data_of(s, plan, "batch", given.data)
  plan.exists = batches.exists(batch)
  if not plan.exists then
    check_outer(plan)
  end
  return plan
end

-- Writes what was checked; returns whether the batch is new.
function restored_batch.apply(s, plan)
  if plan.exists then
    return false
  end
  local batch = plan.batch
  redis.call("HSET", keys.batch_record(batch), unpack(plan.record))
  redis.call("ZADD", keys.batches(), plan.given.finished_at or s.now, batch)
  if plan.remembered then
    redis.call("SET", keys.batch_data(batch), plan.remembered)
  end
  if plan.outer then
    batches.nest(batch, plan.outer)
  end
  return true
end

return restored_batch
