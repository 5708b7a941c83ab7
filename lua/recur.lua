-- recur(now, request, queue, jid, klass, data, interval, offset, options) -> jid
-- Declares a recurring job: every interval ms, first after the offset, or at the ticks of a cron
-- expression. Replaces the recurring job with this jid, except for the number of its children. With
-- the option upsert a paused one stays paused, and one with the same schedule continues with its
-- next tick. With paused it begins paused. With check_only it is refused as it would be, but
-- nothing is written.
-- Errors: BADARG TOOLARGE EXISTS
-- Events: none
-- Flags: none

local check = require("lib.core.check")
local declaration = require("lib.recurring.declaration")
local errors = require("lib.core.errors")
local keys = require("lib.core.keys")
local queue_lib = require("lib.queue.queue")
local recur_options = require("lib.recurring.recur_options")
local recurrence = require("lib.recurring.recurrence")
local session = require("lib.core.session")

local now, request, queue, jid, klass, data, interval, offset, options = unpack(ARGV)
check.name("queue", queue)
recurrence.check_jid(jid)
check.line("klass", klass)
local given = recur_options.new(options)
local longest = given.cron and 0 or 3155760000000
local every = check.integer("interval", interval, given.cron and 0 or 1, longest)
local first = check.integer("offset", offset, 0, longest)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
check.data(s, data)
if redis.call("EXISTS", keys.job(jid)) == 1 then
  errors.raise("EXISTS", "Job " .. jid .. " exists and does not recur")
end
local before = recurrence.find(jid)
declaration.check_group(before, jid, given)
local self = declaration.make(s, before, given, {
  jid = jid, data = data, klass = klass, queue = queue, interval = every, offset = first })
if given.check_only then
  return cmsgpack.pack(jid)
end

if before then
  redis.call("ZREM", keys.queue_recurring(before.record.queue), jid)
end
declaration.join(before, self)
recurrence.set_tick(s, self, self.tick)
recurrence.save(self)
queue_lib.list(s, queue)

return session.close(s, jid)
