-- Declares a recurring job: makes a new one, or replaces that of the same jid. Those that a
-- deployment declares together belong to a group.

local errors = require("lib.core.errors")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local recurrence = require("lib.recurring.recurrence")
local schedule = require("lib.recurring.schedule")
local session = require("lib.core.session")

local declaration = {}

-- Refuses to replace a recurring job of another group, and more recurring jobs than a group may
-- have. An upsert may exceed that for as long as those that are no longer declared are not ended.
function declaration.check_group(before, jid, given)
  local group = given.group
  local owner = before and before.record.group
  if given.upsert and owner and owner ~= group then
    errors.raise("EXISTS", "Recurring job " .. jid .. " belongs to the group " .. owner)
  end
  local most = given.upsert and 2 * limits.declared or limits.declared
  if group and owner ~= group and redis.call("SCARD", keys.declared(group)) >= most then
    errors.bad("the group " .. group .. " already has " .. most .. " recurring jobs")
  end
end

function declaration.join(before, self)
  local group, owner = self.record.group, before and before.record.group
  if owner and owner ~= group then
    redis.call("SREM", keys.declared(owner), self.jid)
  end
  if group then
    redis.call("SADD", keys.declared(group), self.jid)
  end
end

local SCHEDULE = { "interval", "offset", "cron", "zone", "start" }

local function has_same_schedule(a, b)
  for _, name in ipairs(SCHEDULE) do
    if a[name] ~= b[name] then
      return false
    end
  end
  return true
end

-- Keeps the counters of the one before, and up to when its ticks are done if they are the same.
local function keep_counters(record, old)
  record.count, record.runs = old.count or 0, old.runs
  record.made = record.limit and old.made or nil
  if record.cron and old.cron == record.cron and old.zone == record.zone then
    record.covered = old.covered
  end
end

-- Keeps the ticks of the one before, as far as the new end allows.
local function keep_ticks(s, record, old)
  record.covered, record.dry = old.covered, old.dry
  record.ticks, record.final, record.zone_version = old.ticks, old.final, old.zone_version
  if old["end"] ~= record["end"] then
    schedule.set_end(s, record)
  end
end

-- Continues with the ticks of the one before. If that was over, ticks in the past are left out.
local function continue(s, record, before)
  if record.cron then
    keep_ticks(s, record, before.record)
  end
  local tick = recurrence.tick(before)
  if record.cron then
    tick = record.ticks[1]
  end
  if before.record.over then
    return schedule.resume(s, record, tick)
  end
  return tick
end

local function begin(s, record, given, offset)
  if not record.cron then
    return schedule.first(s, record, offset)
  end
  schedule.set_cron(s, record, given)
  return record.ticks[1]
end

local FROM_OPTIONS = { "cron", "zone", "backlog", "start", "end", "limit", "group" }

local function record_of(given, plain)
  local record = { klass = plain.klass, queue = plain.queue, state = "recur", count = 0 }
  if not given.cron then
    record.interval = plain.interval
    -- Only an upsert compares it.
    record.offset = given.upsert and plain.offset or nil
  end
  for _, name in ipairs(FROM_OPTIONS) do
    record[name] = given[name]
  end
  record.misfire = given.misfire ~= "all" and given.misfire or nil
  record.overlap = given.overlap ~= "allow" and given.overlap or nil
  recurrence.copy_child_options(given, record)
  record.retries = record.retries or 0
  return record
end

-- Refuses a schedule that never fires. One that a deployment declares again may be over.
local function check_span(record, tick, is_upsert)
  if record.start and record["end"] and record["end"] < record.start then
    errors.bad("the end comes before the start")
  elseif not schedule.is_over(record, tick) or (is_upsert and record.made) then
    return
  elseif record.limit and (record.made or 0) >= record.limit then
    errors.bad(string.format("this schedule never fires: its limit of %.0f was reached, as the job "
      .. "of this jid has put %.0f children. Raise the limit, or remove that job first",
      record.limit, record.made))
  end
  errors.bad("this schedule never fires")
end

local function is_paused(given, before)
  return given.paused or (given.upsert and before and before.record.paused)
end

-- Makes the record, which the caller writes, with its `tick`. Refuses a schedule that never fires.
function declaration.make(s, before, given, plain)
  local record = record_of(given, plain)
  local self = { jid = plain.jid, data = plain.data, record = record }
  if before then
    keep_counters(record, before.record)
  end
  record.paused = is_paused(given, before) or nil
  if given.upsert and before and has_same_schedule(record, before.record) then
    self.tick = continue(s, record, before)
  else
    self.tick = begin(s, record, given, plain.offset)
    check_span(record, self.tick, given.upsert)
  end
  record.generation = record.cron and session.next(s) or nil
  return self
end

return declaration
