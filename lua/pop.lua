-- pop(now, request, queues, worker, count, options) -> {jobs, next, more, wake, refill}
-- Does what is due in the namespace, then hands out up to count jobs of the queues: names, patterns
-- with *, and after a ! what not to take. Options: nonce, order (ordered, round-robin, shuffled,
-- weighted), turn (which queue begins, or what to draw by), weights (of entries of queues).
-- Errors: BADARG DEADWORKER
-- Events: popped stalled lock_lost failed canceled put unpaused schedule_dry
-- Flags: allow-oom

local check = require("lib.check")
local duties = require("lib.duties")
local errors = require("lib.errors")
local handout = require("lib.handout")
local keys = require("lib.keys")
local lease = require("lib.lease")
local limits = require("lib.limits")
local queue_lib = require("lib.queue")
local session = require("lib.session")

local now, request, queues, worker, count, options = unpack(ARGV)
local OPTIONS = { nonce = true, order = true, turn = true, weights = true }

-- The nonce; then the names of a plain list, or none yet and what lib.selection makes of the rest.
local function arguments()
  local given = check.options("options", options, OPTIONS)
  check.name("nonce", given.nonce or "none")
  if given.order or given.turn or given.weights or string.find(queues or "", "[!*]") then
    return given.nonce, {}, require("lib.selection").parse(queues, given)
  end
  return given.nonce, check.packed_names("queues", queues, 1)
end

local nonce, names, chosen = arguments()
check.name("worker", worker)
local wanted = check.integer("count", count, 1, limits.call)

-- The fields of meta that handing out of these queues needs.
local function wanted_fields()
  local fields = { "config:heartbeat" }
  for _, name in ipairs(names) do
    fields[#fields + 1] = "paused:" .. name
    fields[#fields + 1] = "config:" .. name .. "-heartbeat"
    fields[#fields + 1] = "fair:" .. name
  end
  return fields
end

local s, again = session.open(now, request, unpack(wanted_fields()))
if again then
  return require("lib.recall").reply(again)
end
if nonce and redis.call("ZSCORE", keys.dead(), nonce) then
  errors.raise("DEADWORKER", "The death of " .. nonce .. " was reported already")
end

local found, wake, held, is_left = {}, {}, {}, false

-- Where jobs have users or throttles, or the queue has one, lib.admission chooses.
local function take_from(name, is_fair, length)
  local to = { worker = worker, nonce = nonce or "-", length = length, held = held }
  if is_fair then
    require("lib.admission").take(s, name, is_fair, wanted - #found, to, found)
  else
    handout.take(s, name, wanted - #found, to, found)
  end
end

local function has_work(name, is_fair)
  if is_fair then
    return require("lib.lanes").has_work(name)
  end
  return redis.call("EXISTS", keys.waiting(name)) == 1
end

local function take(i, name)
  wake[i] = keys.wake(name)
  if queue_lib.is_paused(s, s.meta[6 + 3 * i]) then
    return
  end
  local is_fair = s.meta[8 + 3 * i] or (s.fair and s.fair[name] and "0")
  if #found < wanted then
    take_from(name, is_fair, lease.length(s.meta[7 + 3 * i], s.meta[8]))
  end
  -- The marker that woke this worker is gone; while work is left another worker is woken.
  if #found == wanted and has_work(name, is_fair) then
    queue_lib.wake(name)
    is_left = true
  end
end

local function take_chosen()
  local selection = require("lib.selection")
  names = selection.resolve(s, chosen)
  selection.look_up(s, wanted_fields())
  for i, name in ipairs(names) do
    if i <= limits.call or not is_left then
      take(i, name)
    end
  end
  wake = selection.markers(chosen, is_left)
end

redis.call("ZADD", keys.workers(), s.stamp, worker)
local due = duties.run(s)
if chosen then
  take_chosen()
else
  for i, name in ipairs(names) do
    take(i, name)
  end
end

-- A choice may have found when something becomes due, and what it did not look at is due now.
local function due_after()
  if s.expired then
    require("lib.releases").after(s)
  end
  if s.expired or s.more then
    return 0 -- Jobs that were not handed out stood for others.
  end
  return s.examinable and duties.next(s) or due
end

if s.expired or s.examinable then
  due = due_after()
end

-- Remembers that somebody asks for these queues, for whoever wants to know why a job is not taken.
-- One who gets all he wants from his only queue is known by that.
local function note_asking()
  if #found == wanted and #names == 1 and not chosen then
    return
  end
  local seen = redis.call("ZSCORE", keys.served(), queues)
  if not seen or math.abs(s.now - tonumber(seen)) >= 10000 then
    redis.call("ZADD", keys.served(), s.stamp, queues)
    redis.call("ZREMRANGEBYSCORE", keys.served(), "-inf", s.now - 3600000)
    redis.call("ZREMRANGEBYRANK", keys.served(), 0, -1001)
  end
end

note_asking()

local reply = { jobs = found, next = due, more = due == 0, wake = wake, refill = s.refill }
-- The jobs may be large, so a resend reads them again.
local memory = #held > 0 and { held = held, next = due, more = due == 0, wake = wake }

return session.close(s, reply, memory)
