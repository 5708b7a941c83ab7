-- Pages of jids by state, and the number of jobs in each state, as the next pop will find them: due
-- jobs and parked ones that may run now are waiting, lapsed ones stalled. Nothing here writes.

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local keys = require("lib.core.keys")
local queue_lib = require("lib.queue.queue")
local stored = require("lib.core.stored")

local listing = {}

-- Jobs that one call examines to find those parked ones that may run now; the others are shown as
-- they are stored.
local EXAMINED = 500

local function after(now)
  return "(" .. string.format("%.0f", now)
end

local function by_rank(key, from, size)
  return size > 0 and redis.call("ZRANGE", key, from, from + size - 1) or {}
end

local function by_score(key, low, high, from, size)
  return redis.call("ZRANGEBYSCORE", key, low, high, "LIMIT", from, size)
end

local function jids_of(members)
  for i, member in ipairs(members) do
    members[i] = string.sub(member, 13)
  end
  return members
end

-- A page over several sets, one after the other; each is {total, read(from, size)}.
local function joined(parts, from, size)
  local jids, total = {}, 0
  for _, part in ipairs(parts) do
    if #jids < size then
      for _, jid in ipairs(part.read(math.max(from - total, 0), size - #jids)) do
        jids[#jids + 1] = jid
      end
    end
    total = total + part.total
  end
  return { total = total, jids = jids }
end

-- The two sets of ready jobs: those without a user, and those with one.
local function ready_keys(queue)
  return { keys.waiting(queue), keys.shared(queue) }
end

local function timed_out(key)
  return redis.call("ZCOUNT", key, "-inf", "-inf")
end

local function up_to_now(s, key)
  return {
    total = redis.call("ZCOUNT", key, "-inf", s.now),
    read = function(at, number)
      return by_score(key, "-inf", s.now, at, number)
    end,
  }
end

-- Parked jobs that the next pop would lease, since their throttles have room again.
local function unparked(s, queue, packed_pause)
  if queue_lib.is_paused(s, packed_pause) or redis.call("EXISTS", keys.throttled(queue)) == 0 then
    return {}
  end
  s.examine_budget = s.examine_budget or EXAMINED
  local virtual = redis.call("HGET", keys.meta(), "fair:" .. queue)
  return require("lib.admission.admission").forecast(s, queue, virtual or "0")
end

local function unparked_of(s, queue)
  return unparked(s, queue, redis.call("HGET", keys.meta(), "paused:" .. queue))
end

local function listed(jids)
  return {
    total = #jids,
    read = function(at, number)
      -- `unpack` counts in 32 bits, so it cannot be asked for a page far beyond the end.
      return at < #jids and { unpack(jids, at + 1, math.min(at + number, #jids)) } or {}
    end,
  }
end

-- The members of a set without some of them.
local function without(key, jids)
  local ranks, skipped = {}, {}
  for _, jid in ipairs(jids) do
    -- Without a rank the job is missing from the set, which only a damaged keyspace shows.
    ranks[#ranks + 1] = redis.call("ZRANK", key, jid) or nil
    skipped[jid] = true
  end
  table.sort(ranks)
  return {
    total = redis.call("ZCARD", key) - #ranks,
    read = function(at, number)
      for _, rank in ipairs(ranks) do
        at = rank <= at and at + 1 or at
      end
      local found = {}
      for _, jid in ipairs(by_rank(key, at, number + #ranks)) do
        if not skipped[jid] and #found < number then
          found[#found + 1] = jid
        end
      end
      return found
    end,
  }
end

-- Waiting jobs, scheduled ones whose time has come and that no pop has promoted yet, and parked
-- ones that may run.
local function list_waiting(s, queue, from, size)
  local parts = {}
  for i, key in ipairs(ready_keys(queue)) do
    local skipped = timed_out(key)
    parts[i] = {
      total = redis.call("ZCARD", key) - skipped,
      read = function(at, number)
        return jids_of(by_rank(key, at + skipped, number))
      end,
    }
  end
  parts[#parts + 1] = up_to_now(s, keys.scheduled(queue))
  parts[#parts + 1] = listed(unparked_of(s, queue))
  return joined(parts, from, size)
end

-- Jobs taken from their worker by `timeout`, then running ones with an expired lease.
local function list_stalled(s, queue, from, size)
  local parts = {}
  for i, key in ipairs(ready_keys(queue)) do
    parts[i] = {
      total = timed_out(key),
      read = function(at, number)
        return jids_of(by_score(key, "-inf", "-inf", at, number))
      end,
    }
  end
  parts[#parts + 1] = up_to_now(s, keys.running(queue))
  return joined(parts, from, size)
end

local function later(key, s, from, size)
  return {
    total = redis.call("ZCOUNT", key, after(s.now), "+inf"),
    jids = by_score(key, after(s.now), "+inf", from, size),
  }
end

local function whole(key, from, size)
  return { total = redis.call("ZCARD", key), jids = by_rank(key, from, size) }
end

local states = {
  waiting = list_waiting,
  stalled = list_stalled,
  running = function(s, queue, from, size)
    return later(keys.running(queue), s, from, size)
  end,
  scheduled = function(s, queue, from, size)
    return later(keys.scheduled(queue), s, from, size)
  end,
  depends = function(_, queue, from, size)
    return whole(keys.depends(queue), from, size)
  end,
  recurring = function(_, queue, from, size)
    return whole(keys.queue_recurring(queue), from, size)
  end,
  throttled = function(s, queue, from, size)
    return joined({ without(keys.throttled(queue), unparked_of(s, queue)) }, from, size)
  end,
}

-- One page of a state. Completed jobs belong to no queue; the newest are first.
function listing.page(s, state, queue, from, size)
  if state == "complete" then
    local key = keys.complete()
    local jids = size > 0 and redis.call("ZREVRANGE", key, from, from + size - 1) or {}
    return { total = redis.call("ZCARD", key), jids = jids }
  elseif not states[state] then
    errors.bad("state must be complete, depends, recurring, running, scheduled, stalled, "
      .. "throttled or waiting")
  end
  check.name("queue", queue)
  return states[state](s, queue, from, size)
end

-- A page of the known queues, in the order in which they became known, and for each the field of
-- meta that `counts` needs.
function listing.known(offset, count, most)
  local from = check.integer("offset", offset, 0, 2 ^ 52)
  local names = by_rank(keys.queues(), from, check.integer("count", count, 0, most))
  local fields = {}
  for i, queue in ipairs(names) do
    fields[i] = "paused:" .. queue
  end
  return names, fields
end

-- Of a set of ready jobs the number, those taken from their worker by `timeout`, and the instant
-- since which the first is ready. Its member begins with that.
local function ready(key)
  local size = redis.call("ZCARD", key)
  if size == 0 then
    return 0, 0, math.huge
  end
  return size, timed_out(key), stored.ready_at(redis.call("ZRANGE", key, 0, 0)[1])
end

-- The number of members, and of those whose time has come.
local function divided(s, key)
  local size = redis.call("ZCARD", key)
  return size, size > 0 and redis.call("ZCOUNT", key, "-inf", s.now) or 0
end

-- The instant since which the first of `due` scheduled jobs is ready.
local function due_since(queue, due)
  if due == 0 then
    return math.huge
  end
  return tonumber(redis.call("ZRANGE", keys.scheduled(queue), 0, 0, "WITHSCORES")[2])
end

-- The number of parked jobs, and of those that may run now.
local function parked(s, queue, packed_pause)
  local size = redis.call("ZCARD", keys.throttled(queue))
  return size, size > 0 and #unparked(s, queue, packed_pause) or 0
end

-- The jobs of a queue by state. `head_age` is for how many milliseconds its first job has been
-- ready, -1 where none waits; scheduled jobs that are due count from then.
function listing.counts(s, queue, packed_pause)
  local waiting, stopped, ready_at = ready(keys.waiting(queue))
  local shared, stopped_shared, shared_at = ready(keys.shared(queue))
  local scheduled, due = divided(s, keys.scheduled(queue))
  local running, lapsed = divided(s, keys.running(queue))
  local paused = queue_lib.is_paused(s, packed_pause)
  local throttled, freed = parked(s, queue, packed_pause)
  local head_at = math.min(ready_at, shared_at, due_since(queue, due))
  stopped = stopped + stopped_shared
  return {
    name = queue,
    waiting = waiting + shared - stopped + due + freed,
    stalled = stopped + lapsed,
    running = running - lapsed,
    scheduled = scheduled - due,
    depends = redis.call("ZCARD", keys.depends(queue)),
    recurring = redis.call("ZCARD", keys.queue_recurring(queue)),
    throttled = throttled - freed,
    head_age = head_at < math.huge and math.max(s.now - head_at, 0) or -1,
    paused = paused and true or false,
    pause = paused and (stored.unpack(packed_pause) or {}) or nil,
  }
end

return listing
