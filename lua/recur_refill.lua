-- recur_refill(now, request, jid, generation, after, ticks, options) -> whether they were accepted
-- Sets the ticks of a cron job that follow `after` without a gap; they replace later ones. They are
-- accepted only if its ticks have not changed since a pop asked for them. Options: final (no ticks
-- come after these), zone_version.
-- Errors: BADARG
-- Events: none
-- Flags: allow-oom

local check = require("lib.core.check")
local limits = require("lib.core.limits")
local recur_options = require("lib.recurring.recur_options")
local recurrence = require("lib.recurring.recurrence")
local schedule = require("lib.recurring.schedule")
local session = require("lib.core.session")

local now, request, jid, generation, after, ticks, options = unpack(ARGV)
check.name("jid", jid)
local expected = check.integer("generation", generation, 0, 2 ^ 53 - 1)
local from = check.integer("after", after, 0, 281474976710655)
local new = check.packed_list("ticks", ticks, 0, limits.ticks)
recur_options.check_ticks("ticks", new)
local given = check.options("options", options, { final = true, zone_version = true })
check.boolean("final", given.final or false)
recur_options.check_version("zone_version", given.zone_version or "")

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local self = recurrence.find(jid)
if not self or self.record.generation ~= expected
  or not schedule.refill(self.record, from, new, given) then
  return session.close(s, false)
end

self.record.generation = session.next(s)
recurrence.refilled(s, self)
recurrence.save(self)

return session.close(s, true)
