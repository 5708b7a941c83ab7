-- Changes an existing recurring job. Nothing here writes.

local errors = require("lib.core.errors")
local limits = require("lib.core.limits")
local recurrence = require("lib.recurring.recurrence")
local schedule = require("lib.recurring.schedule")
local session = require("lib.core.session")

local recur_update = {}

local FIELDS = { "klass", "queue", "backlog", "misfire", "overlap" }
local SPAN = { "start", "end", "limit" }

local function append(list, present, tags_given)
  for _, tag in ipairs(tags_given or {}) do
    if not present[tag] then
      present[tag] = true
      list[#list + 1] = tag
    end
  end
end

local function change_tags(record, given)
  local list, present = {}, {}
  for _, tag in ipairs(given.remove_tags or {}) do
    present[tag] = true
  end
  append(list, present, given.tags or record.tags)
  append(list, present, given.add_tags)
  if #list > limits.tags then
    errors.bad("a recurring job has at most " .. limits.tags .. " tags")
  end
  record.tags = #list > 0 and list or nil
end

local function take_over(record, given, names)
  for _, name in ipairs(names) do
    if given[name] ~= nil then
      record[name] = given[name] or nil
    end
  end
end

-- The codec belongs to the data and is changed with it; tags can be added and removed singly.
local function change_children(record, given)
  local codec, tags = record.codec, record.tags
  take_over(record, given, recurrence.CHILD_OPTIONS)
  record.codec, record.tags = codec, tags
  if given.throttles and not given.costs then
    record.costs = nil
  end
  change_tags(record, given)
  if record.costs then
    require("lib.job.put_checks").check({ throttles = record.throttles, costs = record.costs }, {})
  end
end

local function check_span(record, given)
  if record.cron and not given.cron and not given.interval
    and (given.start ~= nil or given["end"] ~= nil) then
    errors.bad("start and end of a cron job can only be changed together with cron and ticks")
  end
end

local function change_span(record, given)
  check_span(record, given)
  take_over(record, given, SPAN)
  if record.start and record["end"] and record["end"] < record.start then
    errors.bad("the end comes before the start")
  elseif not record.limit then
    record.made = nil
  end
end

-- Sets a new interval: the next tick moves by the difference.
local function set_interval(s, record, interval, tick)
  if record.cron then
    for _, name in ipairs({ "cron", "zone", "zone_version", "ticks", "covered", "final", "dry",
      "generation" }) do
      record[name] = nil
    end
    tick = s.now + interval
  else
    tick = math.max(tick + interval - record.interval, 0)
  end
  record.interval = interval
  return tick
end

local function change_schedule(s, record, given, tick)
  if given.cron then
    record.interval, record.offset = nil, nil
    schedule.set_cron(s, record, given)
    tick = record.ticks[1]
  elseif given.interval then
    tick = set_interval(s, record, given.interval, tick)
  end
  if record.interval and given.start then
    tick = math.max(tick, given.start)
  end
  return tick
end

-- Defaults are not stored.
local function change_fields(record, given)
  take_over(record, given, FIELDS)
  record.misfire = record.misfire ~= "all" and record.misfire or nil
  record.overlap = record.overlap ~= "allow" and record.overlap or nil
end

-- Applies checked changes; returns the next tick, or nil when none is known.
function recur_update.apply(s, self, given, tick)
  local record = self.record
  local was_held = record.paused or record.over
  change_span(record, given)
  tick = change_schedule(s, record, given, tick)
  change_fields(record, given)
  change_children(record, given)
  take_over(record, given, { "paused" })
  if was_held and not record.paused and not schedule.is_over(record, tick) then
    tick = schedule.resume(s, record, tick)
  end
  record.generation = record.cron and session.next(s) or nil
  return tick
end

return recur_update
