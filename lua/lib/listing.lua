-- Pages of jids by state, and the numbers of each. Nothing here writes.

local check = require("lib.check")
local errors = require("lib.errors")
local job_lib = require("lib.job")
local keys = require("lib.keys")
local limits = require("lib.limits")
local queue_lib = require("lib.queue")
local view = require("lib.view")

local listing = {}

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

-- A page over two sets, one after the other; each is {total, read(from, size)}.
local function joined(first, second, from, size)
  local jids = first.read(from, size)
  local rest = second.read(math.max(from - first.total, 0), size - #jids)
  for _, jid in ipairs(rest) do
    jids[#jids + 1] = jid
  end
  return { total = first.total + second.total, jids = jids }
end

local function timed_out(queue)
  return redis.call("ZCOUNT", keys.waiting(queue), "-inf", "-inf")
end

-- Waiting ones, then those whose time has come though no pop has promoted them yet.
local function list_waiting(s, queue, from, size)
  local key, scheduled = keys.waiting(queue), keys.scheduled(queue)
  local skipped = timed_out(queue)
  return joined({
    total = redis.call("ZCARD", key) - skipped,
    read = function(at, number)
      return jids_of(by_rank(key, at + skipped, number))
    end,
  }, {
    total = redis.call("ZCOUNT", scheduled, "-inf", s.now),
    read = function(at, number)
      return by_score(scheduled, "-inf", s.now, at, number)
    end,
  }, from, size)
end

-- Jobs taken from their worker by `timeout`, then running ones with a lapsed lease.
local function list_stalled(s, queue, from, size)
  local key, running = keys.waiting(queue), keys.running(queue)
  return joined({
    total = timed_out(queue),
    read = function(at, number)
      return jids_of(by_score(key, "-inf", "-inf", at, number))
    end,
  }, {
    total = redis.call("ZCOUNT", running, "-inf", s.now),
    read = function(at, number)
      return by_score(running, "-inf", s.now, at, number)
    end,
  }, from, size)
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
    return whole(keys.slots(queue), from, size)
  end,
  throttled = function()
    return { total = 0, jids = {} }
  end,
}

-- One page of a state; completed jobs, newest first, belong to no queue.
function listing.page(s, state, queue, from, size)
  if state == "complete" then
    local key = keys.complete()
    local jids = size > 0 and redis.call("ZREVRANGE", key, from, from + size - 1) or {}
    return { total = redis.call("ZCARD", key), jids = jids }
  elseif not states[state] then
    errors.bad("state is not one that can be listed")
  end
  check.name("queue", queue)
  return states[state](s, queue, from, size)
end

function listing.counts(s, queue, packed_pause)
  local depth = redis.call("ZCARD", keys.waiting(queue))
  local stopped = timed_out(queue)
  local due = redis.call("ZCOUNT", keys.scheduled(queue), "-inf", s.now)
  local lapsed = redis.call("ZCOUNT", keys.running(queue), "-inf", s.now)
  local paused = queue_lib.is_paused(s, packed_pause)
  return {
    name = queue,
    waiting = depth - stopped + due,
    stalled = stopped + lapsed,
    running = redis.call("ZCARD", keys.running(queue)) - lapsed,
    scheduled = redis.call("ZCARD", keys.scheduled(queue)) - due,
    depends = redis.call("ZCARD", keys.depends(queue)),
    recurring = redis.call("ZCARD", keys.slots(queue)),
    throttled = 0,
    paused = paused and true or false,
    pause = paused and cmsgpack.unpack(packed_pause) or nil,
  }
end

-- Running jobs whose lease has lapsed come first, as pop will give them back first.
local function candidates(s, queue, wanted)
  local jids = by_score(keys.running(queue), "-inf", s.now, 0, wanted)
  local ranked = {}
  for i, jid in ipairs(jids) do
    ranked[i] = { jid = jid, score = limits.reclaimed, at = 0, rank = i }
  end
  local flat = redis.call("ZRANGE", keys.waiting(queue), 0, wanted - 1, "WITHSCORES")
  for i = 1, #flat, 2 do
    ranked[#ranked + 1] = { jid = string.sub(flat[i], 13), score = tonumber(flat[i + 1]),
      at = struct.unpack(">I6", flat[i]), rank = #ranked + 1 }
  end
  return ranked
end

-- Scheduled jobs whose time has come, as many as one call would promote.
local function add_due(s, queue, ranked)
  local due = by_score(keys.scheduled(queue), "-inf", s.now, 0, limits.housekeeping)
  for i, job in ipairs(job_lib.find_all(due)) do
    if job then
      ranked[#ranked + 1] = { jid = due[i], score = -(job.record.priority or 0),
        at = job.record.due, rank = #ranked + 1 }
    end
  end
end

local function before(a, b)
  if a.score ~= b.score then
    return a.score < b.score
  elseif a.at ~= b.at then
    return a.at < b.at
  end
  return a.rank < b.rank
end

-- Views in the order in which pop would hand the jobs out.
function listing.peek(s, queue, from, size)
  local ranked = candidates(s, queue, math.min(from + size, limits.page))
  add_due(s, queue, ranked)
  table.sort(ranked, before)
  local views = {}
  for i = from + 1, math.min(from + size, #ranked) do
    local job = job_lib.find(ranked[i].jid)
    views[#views + 1] = job and view.full(s, job) or nil
  end
  return views
end

return listing
