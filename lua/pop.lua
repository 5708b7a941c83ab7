-- pop(now, request, queues, worker, count, options) -> {jobs, next, more, wake, refill}
-- Does what is due in the namespace, then hands out up to count jobs of the queues: names, patterns
-- with *, and after a ! what not to take. Options: nonce, order (ordered, round-robin, shuffled,
-- weighted), turn (which queue begins, or what to draw by), weights (of entries of queues).
-- Errors: BADARG DEADWORKER
-- Events: popped stalled lock_lost failed canceled put unpaused schedule_dry
-- Flags: allow-oom

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local maintenance = require("lib.core.maintenance")
local session = require("lib.core.session")
local take = require("lib.queue.take")

local now, request, queues, worker, count, options = unpack(ARGV)
local given = check.options("options", options,
  { nonce = true, order = true, turn = true, weights = true })
local nonce = given.nonce
check.name("nonce", nonce or "none")
local names = take.plain_names(queues, given)
local chosen = not names and require("lib.queue.selection").parse(queues, given)
check.name("worker", worker)
local wanted = check.integer("count", count, 1, limits.call)

local s, again = session.open(now, request, unpack(take.fields(names or {})))
if again then
  return require("lib.queue.resent_pop").reply(again)
end
if nonce and redis.call("ZSCORE", keys.dead(), nonce) then
  errors.raise("DEADWORKER", "The death of " .. nonce .. " was reported already")
end

local found, held = {}, {}
local ask = { wanted = wanted, worker = worker, nonce = nonce or "-", found = found, held = held,
  wake = {}, is_left = false }
redis.call("ZADD", keys.workers(), s.stamp, worker)
local due = maintenance.run(s)
if chosen then
  require("lib.queue.selection").take(s, chosen, ask)
else
  take.take_all(s, ask, names)
end
due = take.due(s, due)
take.note(s, ask, queues, names)

local reply = { jobs = found, next = due, more = due == 0, wake = ask.wake, refill = s.refill }
-- The jobs may be large, so a resend reads them again.
local memory = #held > 0 and { held = held, next = due, more = due == 0, wake = ask.wake }

return session.close(s, reply, memory)
