-- Asks clients for ticks of cron jobs that have few left, or whose ticks were computed long ago.

local keys = require("lib.core.keys")
local recurrence = require("lib.recurring.recurrence")
local schedule = require("lib.recurring.schedule")

local refill = {}

local REQUESTS_PER_CALL = 10

-- What a client needs to compute the next ticks.
local function request_for(self)
  local record = self.record
  return {
    jid = self.jid,
    cron = record.cron,
    zone = record.zone,
    zone_version = record.zone_version,
    start = record.start,
    ["end"] = record["end"],
    generation = record.generation,
    covered = record.covered,
    horizon = schedule.horizon(record),
    ahead = #record.ticks,
    final = record.final,
  }
end

-- Asks about some of the cron jobs that are due for it; returns when to look again, or nil.
function refill.ask(s)
  local due = redis.call("ZRANGEBYSCORE", keys.refills(), "-inf", s.now,
    "LIMIT", 0, REQUESTS_PER_CALL)
  s.refill_requests = #due > 0 and {} or nil
  for _, jid in ipairs(due) do
    local self = recurrence.find(jid)
    if self and self.record.cron then
      s.refill_requests[#s.refill_requests + 1] = request_for(self)
      redis.call("ZADD", keys.refills(), s.now + recurrence.ASK_AGAIN_AFTER, jid)
    else
      redis.call("ZREM", keys.refills(), jid)
    end
  end
  return tonumber(redis.call("ZRANGE", keys.refills(), 0, 0, "WITHSCORES")[2])
end

return refill
