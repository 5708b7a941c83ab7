-- Adjusts a recurring job after the clock was set back: it would stand still for as long as the
-- clock was ahead.

local recurrence = require("lib.recurring.recurrence")
local session = require("lib.core.session")

local clock_adjustment = {}

-- An interval keeps its phase; its next tick comes within one interval. A tick further ahead than
-- the clock was is one that somebody asked for.
local function earlier_tick(s, record, tick, by)
  local ahead = tick and tick - s.now or 0
  if ahead <= record.interval or ahead > by + record.interval then
    return tick
  end
  local earlier = tick - math.floor((ahead - 1) / record.interval) * record.interval
  local start = record.start or 0
  if earlier < start then
    earlier = earlier + math.ceil((start - earlier) / record.interval) * record.interval
  end
  return earlier
end

-- Returns whether the next tick has changed. A cron job fires again at ticks that it had already
-- reached; its ticks are asked for again.
function clock_adjustment.adjust(s, jid, by)
  local self = recurrence.find(jid)
  local record = self and self.record
  if not record then
    return false
  end
  local tick = recurrence.tick(self)
  local earlier = record.interval and earlier_tick(s, record, tick, by)
  if record.cron and record.covered > s.now then
    record.covered, record.ticks, record.final, record.dry = s.now, {}, nil, nil
    record.generation = session.next(s)
  elseif record.cron or earlier == tick then
    return false
  end
  recurrence.set_tick(s, self, earlier or nil)
  recurrence.save(self)
  return true
end

return clock_adjustment
