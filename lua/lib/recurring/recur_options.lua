-- The options of a recurring job: those of its schedule are checked here, those of its children
-- like the options of any put.

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local limits = require("lib.core.limits")
local put_checks = require("lib.job.put_checks")
local recurrence = require("lib.recurring.recurrence")

local recur_options = {}

local MAX_SPAN = 3155760000000
local LATEST = 281474976710655
local MISFIRES = { all = true, one = true, skip = true }
local OVERLAPS = { allow = true, skip = true }

local function check_tags(what, value)
  check.names(what, value, 0, limits.call)
end

local function instant(what, value)
  check.count(what, value, 0, LATEST)
end

-- Checks that instants are in order, without duplicates.
function recur_options.check_ticks(what, value)
  local before = -1
  for _, tick in ipairs(check.list(what, value, 0, limits.ticks)) do
    if check.count(what, tick, 0, LATEST) <= before then
      errors.bad(what .. " must hold instants in ascending order")
    end
    before = tick
  end
end

function recur_options.check_zone(what, value)
  if type(value) ~= "string" or #value > 64 or not string.find(value, "^%w[%w_+/-]*$") then
    errors.bad(what .. " is not the name of a time zone")
  end
end

function recur_options.check_version(what, value)
  if type(value) ~= "string" or #value > 32 or not string.find(value, "^%w*$") then
    errors.bad(what .. " must be up to 32 letters and digits")
  end
end

local SCHEDULE = {
  backlog = function(what, value)
    check.count(what, value, 0, 2147483647)
  end,
  misfire = function(what, value)
    check.one_of(what, value, MISFIRES)
  end,
  overlap = function(what, value)
    check.one_of(what, value, OVERLAPS)
  end,
  start = instant,
  ["end"] = instant,
  limit = function(what, value)
    check.count(what, value, 1, 2 ^ 52)
  end,
  cron = check.line,
  zone = recur_options.check_zone,
  zone_version = recur_options.check_version,
  after = instant,
  ticks = recur_options.check_ticks,
  final = check.boolean,
}

local AT_FIRST = { group = check.name, upsert = check.boolean, check_only = check.boolean,
  paused = check.boolean }

local function clears(validate)
  return function(what, value)
    if value ~= false then
      validate(what, value)
    end
  end
end

local LATER = {
  start = clears(instant),
  ["end"] = clears(instant),
  limit = clears(SCHEDULE.limit),
  interval = function(what, value)
    check.count(what, value, 1, MAX_SPAN)
  end,
  klass = check.line,
  queue = check.name,
  add_tags = check_tags,
  remove_tags = check_tags,
  paused = check.boolean,
}

-- Options that only make sense with a cron expression, and those that one needs.
local OF_CRON = { "zone", "zone_version", "after", "ticks", "final" }
local NEEDED = { "zone", "after", "ticks" }

-- The first of these options that is given, or that is not.
local function first_that(given, names, is_there)
  for _, name in ipairs(names) do
    if (given[name] ~= nil) == is_there then
      return name
    end
  end
  return nil
end

local function check_cron(given)
  local name = first_that(given, given.cron and NEEDED or OF_CRON, not given.cron)
  if name then
    errors.bad(given.cron and "a cron expression needs " .. name
      or name .. " needs a cron expression")
  end
  local first = given.cron and given.ticks[1]
  if first and first <= given.after then
    errors.bad("ticks must all come after the instant `after`")
  end
end

-- Reads a packed map of options.
local function read(packed, more)
  local given, of_children = check.options("options", packed), {}
  for name, value in pairs(given) do
    local validate = more[name] or SCHEDULE[name]
    if validate then
      validate(name, value)
    else
      of_children[name] = value
    end
  end
  local known = {}
  for _, name in ipairs(recurrence.CHILD_OPTIONS) do
    known[name] = true
  end
  put_checks.check(check.map("options", of_children, known), {})
  check_cron(given)
  return given
end

-- The options of a new recurring job.
function recur_options.new(packed)
  return read(packed, AT_FIRST)
end

-- The changes of a recurring job.
function recur_options.changes(packed)
  local given = read(packed, LATER)
  if given.cron and given.interval then
    errors.bad("a recurring job has either an interval or a cron expression")
  end
  return given
end

return recur_options
