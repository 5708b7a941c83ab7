-- One worker that asks for jobs: `ask` holds what it wants (wanted, worker, nonce), and what it
-- gets (found, held, wake), with is_left when there is more for others.

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local lease = require("lib.job.lease")
local lease_out = require("lib.queue.lease_out")
local maintenance = require("lib.core.maintenance")
local queue_lib = require("lib.queue.queue")

local take = {}

-- Milliseconds after which it is noted again that somebody asks for a list of queues, for which
-- that is remembered, and the lists that are.
local ANEW, KEPT, LISTS = 10000, 3600000, 1000

-- The names of a plain list that is to be tried in its order; nil for whatever says more.
function take.plain_names(packed, given)
  if given.order or given.turn or given.weights then
    return nil
  end
  return check.plain_names("queues", packed)
end

-- The fields of meta that handing out of these queues needs.
function take.fields(names)
  local fields = { "config:heartbeat" }
  for _, name in ipairs(names) do
    fields[#fields + 1] = "paused:" .. name
    fields[#fields + 1] = "config:" .. name .. "-heartbeat"
    fields[#fields + 1] = "fair:" .. name
  end
  return fields
end

-- Where jobs have users or throttles, or the queue has one, lib.admission.admission chooses.
local function hand_out(s, ask, name, is_fair, packed_length)
  local to = { worker = ask.worker, nonce = ask.nonce, held = ask.held,
    length = lease.length(packed_length, s.meta[8]) }
  local wanted = ask.wanted - #ask.found
  if is_fair then
    require("lib.admission.admission").take(s, name, is_fair, wanted, to, ask.found)
  else
    lease_out.take(s, name, wanted, to, ask.found)
  end
end

local function has_work(name, is_fair)
  if is_fair then
    return require("lib.admission.subqueues").has_work(name)
  end
  return redis.call("EXISTS", keys.waiting(name)) == 1
end

-- Takes from the queue whose fields of meta are the i-th.
function take.take(s, ask, i, name)
  ask.wake[i] = keys.wake(name)
  if queue_lib.is_paused(s, s.meta[6 + 3 * i]) then
    return
  end
  local is_fair = s.meta[8 + 3 * i] or (s.fair and s.fair[name] and "0")
  if #ask.found < ask.wanted then
    hand_out(s, ask, name, is_fair, s.meta[7 + 3 * i])
  end
  -- The marker that woke this worker is gone; while work is left another worker is woken.
  if #ask.found == ask.wanted and has_work(name, is_fair) then
    queue_lib.wake(name)
    ask.is_left = true
  end
end

-- Takes from the queues of a plain list.
function take.take_all(s, ask, names)
  for i, name in ipairs(names) do
    take.take(s, ask, i, name)
  end
end

-- Remembers that somebody asks for these queues, for whoever wants to know why a job is not taken.
-- One who gets all he wants from the only queue of his list is known by that.
function take.note(s, ask, queues, names)
  if #ask.found == ask.wanted and names and not names[2] then
    return
  end
  local seen = redis.call("ZSCORE", keys.served(), queues)
  if not seen or math.abs(s.now - tonumber(seen)) >= ANEW then
    redis.call("ZADD", keys.served(), s.stamp, queues)
    redis.call("ZREMRANGEBYSCORE", keys.served(), "-inf", s.now - KEPT)
    redis.call("ZREMRANGEBYRANK", keys.served(), 0, -1 - LISTS)
  end
end

-- When something becomes due, which a choice may have found, and what it did not look at is.
function take.due(s, due)
  if not s.expired and not s.examinable then
    return due
  end
  if s.expired then
    require("lib.job.releases").after(s)
  end
  if s.expired or s.more then
    return 0 -- Jobs that were not handed out stood for others.
  end
  return s.examinable and maintenance.next(s) or due
end

return take
