-- recur(now, request, queue, jid, klass, data, interval, offset, options) -> jid
-- Makes a job every interval, first after the offset; replaces the recurring job of this jid but
-- for the number of its children.
-- Errors: BADARG TOOLARGE EXISTS
-- Events: none
-- Flags: none

local check = require("lib.check")
local errors = require("lib.errors")
local keys = require("lib.keys")
local recurrence = require("lib.recurrence")
local session = require("lib.session")

local now, request, queue, jid, klass, data, interval, offset, options = unpack(ARGV)
check.name("queue", queue)
recurrence.check_jid(jid)
check.line("klass", klass)
local every = check.integer("interval", interval, 1, 3155760000000)
local first = check.integer("offset", offset, 0, 3155760000000)
local given = check.options("options", options, recurrence.OPTIONS)
recurrence.check_options(given)

local s, again = session.open(now, request)
if again then
  return again
end
check.data(s, data)
if redis.call("EXISTS", keys.job(jid)) == 1 then
  errors.raise("EXISTS", "Job " .. jid .. " exists and does not recur")
end

local before = recurrence.find(jid)
if before then
  redis.call("ZREM", keys.slots(before.record.queue), jid)
end
local self = {
  jid = jid,
  data = data,
  record = {
    klass = klass,
    queue = queue,
    state = "recur",
    interval = every,
    retries = given.retries or 0,
    priority = given.priority,
    tags = given.tags,
    backlog = given.backlog,
    codec = given.codec,
    count = before and before.record.count or 0,
  },
}
recurrence.set_slot(s, self, s.now + first)
recurrence.save(self)
redis.call("ZADD", keys.queues(), "NX", s.now, queue)

return session.close(s, jid)
