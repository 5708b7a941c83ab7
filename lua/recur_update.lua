-- recur_update(now, request, jid, data, options) -> true
-- Changes a recurring job; only future children are affected. A new interval moves the next tick by
-- the difference. A resumed job continues with the first tick in the future.
-- Errors: BADARG TOOLARGE NOJOB
-- Events: none
-- Flags: allow-oom

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local queue_lib = require("lib.queue.queue")
local recur_options = require("lib.recurring.recur_options")
local recur_update = require("lib.recurring.recur_update")
local recurrence = require("lib.recurring.recurrence")
local session = require("lib.core.session")

local now, request, jid, data, options = unpack(ARGV)
check.name("jid", jid)
local given = recur_options.changes(options)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
check.data(s, data)
local self = recurrence.load(jid)
local record = self.record
local from = record.queue
local tick = recur_update.apply(s, self, given, recurrence.tick(self))

if data ~= "" then
  self.data, record.codec = data, given.codec
end
redis.call("ZREM", keys.queue_recurring(from), jid)
recurrence.set_tick(s, self, tick)
recurrence.save(self)
queue_lib.list(s, record.queue)

return session.close(s, true)
