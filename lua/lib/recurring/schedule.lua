-- When a recurring job fires. With an interval its next tick is stored, and the others follow from
-- it. With a cron expression its next ticks are stored; clients compute them, since only they know
-- time zones. `covered` is the instant up to which every tick of a cron job has been dealt with:
-- whatever a client sends, nothing up to there fires again.

local limits = require("lib.core.limits")

local schedule = {}

-- Milliseconds of delay after which a tick counts as missed.
local TOLERANCE = 60000

-- The instant up to which all ticks are known.
function schedule.horizon(record)
  local ticks = record.ticks
  return ticks[#ticks] or record.covered
end

-- Whether no more children will come, if `tick` is the next one.
function schedule.is_over(record, tick)
  if record.limit and (record.made or 0) >= record.limit then
    return true
  elseif record.cron then
    return record.final and #record.ticks == 0 or false
  end
  return record["end"] and tick > record["end"] or false
end

-- The number of ticks in a list before an instant.
local function listed_before(ticks, instant)
  local number = 0
  while ticks[number + 1] and ticks[number + 1] < instant do
    number = number + 1
  end
  return number
end

-- The number of ticks from `tick` on, before an instant.
local function ticks_before(record, tick, instant)
  if record.cron then
    return listed_before(record.ticks, instant)
  end
  local stop = math.min(instant, (record["end"] or math.huge) + 1)
  return math.max(math.ceil((stop - tick) / record.interval), 0)
end

-- How many of the due ticks are dropped for good, by the misfire policy and the backlog.
local function dropped_ticks(record, due, late)
  local backlog = record.backlog or 0
  if record.misfire == "skip" then
    return late
  elseif record.misfire == "one" then
    return late > 0 and due - 1 or 0
  end
  return backlog > 0 and math.max(due - 1 - backlog, 0) or 0
end

-- Which ticks, from `tick` on, fire now: how many to drop first, and how many to fire.
function schedule.due(s, record, tick, budget)
  local due = ticks_before(record, tick, s.now + 1)
  local dropped = dropped_ticks(record, due, ticks_before(record, tick, s.now - TOLERANCE))
  local left = record.limit and record.limit - (record.made or 0) or math.huge
  return dropped, math.min(due - dropped, budget, left)
end

-- The tick that comes `number` ticks after `tick`.
function schedule.at(record, tick, number)
  if record.cron then
    return record.ticks[number + 1]
  end
  return tick + number * record.interval
end

-- Up to when a cron job is done once its ticks are used up and some were dropped. The ticks that a
-- client sends next may have been missed as well; they were dropped with the others.
local function covered_now(s, record)
  if record.misfire == "skip" then
    return s.now - TOLERANCE - 1
  end
  return s.now
end

local function drop_ticks(record, number)
  local left = {}
  for i = number + 1, #record.ticks do
    left[#left + 1] = record.ticks[i]
  end
  record.ticks = left
end

-- Continues behind ticks that were dropped or fired, of which some made children; returns the next
-- tick, or nil when none is known.
function schedule.advance(s, record, tick, dropped, fired, made)
  if record.limit then
    record.made = (record.made or 0) + made
  end
  if not record.cron then
    return tick + (dropped + fired) * record.interval
  end
  if dropped + fired > 0 then
    record.covered = math.max(record.ticks[dropped + fired], record.covered)
  end
  drop_ticks(record, dropped + fired)
  if dropped > 0 and #record.ticks == 0 then
    record.covered = math.max(record.covered, covered_now(s, record))
  end
  return record.ticks[1]
end

local function is_wanted(record, tick)
  return tick > record.covered
    and tick >= (record.start or 0)
    and tick <= (record["end"] or math.huge)
end

-- Takes ticks that follow `after` without a gap, leaving out those that are done. `final` says that
-- none come after them.
local function take_ticks(record, ticks, after, final)
  local kept = {}
  for _, tick in ipairs(record.ticks) do
    if tick <= after then
      kept[#kept + 1] = tick
    end
  end
  record.final = final or nil
  for _, tick in ipairs(ticks) do
    if #kept == limits.ticks then
      record.final = nil
    elseif is_wanted(record, tick) then
      kept[#kept + 1] = tick
    end
  end
  record.ticks = kept
end

-- Sets a cron expression and its ticks. Nothing up to now fires. A client whose clock is ahead
-- cannot know the ticks before its own time, so its ticks are ignored and asked for again.
function schedule.set_cron(s, record, given)
  record.cron, record.zone = given.cron, given.zone
  record.covered = math.max(s.now, record.covered or 0)
  record.zone_version = given.zone_version
  record.ticks, record.final, record.dry = {}, nil, nil
  if given.after <= record.covered then
    take_ticks(record, given.ticks, given.after, given.final)
  end
end

-- Adds ticks from a client, or replaces those after `after`. Returns false if there would be a gap.
function schedule.refill(record, after, ticks, given)
  if after > schedule.horizon(record) then
    return false
  end
  take_ticks(record, ticks, after, given.final)
  record.zone_version = given.zone_version or record.zone_version
  record.dry = nil
  return true
end

-- Cuts the ticks at a new end; those before a later end will be asked for.
function schedule.set_end(s, record)
  local ticks = record.ticks
  while #ticks > 0 and ticks[#ticks] > (record["end"] or math.huge) do
    ticks[#ticks] = nil
  end
  if #ticks == 0 and record.final then
    record.covered = math.max(record.covered, s.now)
  end
  record.final = nil
end

-- Leaves out the ticks that passed during a pause; returns the next tick, or nil when none is
-- known.
function schedule.resume(s, record, tick)
  if record.cron then
    record.covered = math.max(record.covered, s.now)
    drop_ticks(record, listed_before(record.ticks, s.now + 1))
    return record.ticks[1]
  elseif tick <= s.now then
    return tick + (math.floor((s.now - tick) / record.interval) + 1) * record.interval
  end
  return tick
end

-- The first tick of an interval: after the offset, counted from now or from a start. A start in the
-- past sets the phase.
function schedule.first(s, record, offset)
  local tick = (record.start or s.now) + offset
  if tick < s.now then
    tick = tick + math.ceil((s.now - tick) / record.interval) * record.interval
  end
  return tick
end

return schedule
