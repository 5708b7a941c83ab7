-- pop(now, request, queues, worker, count, options) -> {jobs, next, more, wake, refill}, value...
-- Does the maintenance that is due in the namespace, then leases up to count jobs of the queues to
-- the worker. Queues are names, patterns with *, and, after a !, names and patterns to leave out.
-- Options: nonce, order (ordered, round-robin, shuffled, weighted), turn (which queue comes first,
-- or the seed of the draw), weights (of entries of queues). The reply is a list: this map, then the
-- `value` of each of its jobs.
-- Errors: BADARG DEADWORKER
-- Events: popped stalled lock_lost failed canceled put unpaused schedule_dry conflict
-- Flags: allow-oom

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local maintenance = require("lib.core.maintenance")
local pop_reply = require("lib.queue.pop_reply")
local session = require("lib.core.session")
local take = require("lib.queue.take")

local now, request, queues, worker, count, options = unpack(ARGV)
local given = check.options("options", options,
  { nonce = true, order = true, turn = true, weights = true })
local nonce = given.nonce
check.name("nonce", nonce or "none")
local names = take.plain_names(queues, given)
local selected = not names and require("lib.queue.selection").parse(queues, given)
check.name("worker", worker)
local wanted = check.integer("count", count, 1, limits.call)

local s, earlier_reply = session.open(now, request, unpack(take.meta_fields(names or {})))
if earlier_reply then
  return pop_reply.again(earlier_reply)
end
if nonce and redis.call("ZSCORE", keys.dead(), nonce) then
  errors.raise("DEADWORKER", "The death of " .. nonce .. " was reported already")
end

local jobs, held = {}, {}
local pop = { wanted = wanted, worker = worker, nonce = nonce or "-", jobs = jobs, held = held,
  wake = {}, has_more_work = false }
redis.call("ZADD", keys.workers(), s.now_text, worker)
local due = maintenance.run(s)
if selected then
  require("lib.queue.selection").take(s, selected, pop)
else
  take.from_queues(s, pop, names)
end
due = take.next_due(s, due)
take.record_request(s, pop, queues, names)

local list = pop_reply.take_values(jobs)
local reply = { jobs = jobs, next = due, more = due == 0, wake = pop.wake,
  refill = s.refill_requests }
-- The jobs may be large, so the reply is not remembered with them: a resend reads them again.
local memory = #held > 0 and { held = held, next = due, more = due == 0, wake = pop.wake }

list[1] = session.close(s, reply, memory)
return list
