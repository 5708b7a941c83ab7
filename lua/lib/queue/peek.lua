-- Shows which jobs pop would lease next. Nothing here writes.

local fairness = require("lib.admission.fairness")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local stored = require("lib.core.stored")
local view = require("lib.job.view")

local peek = {}

local function by_score(key, low, high, from, size)
  return redis.call("ZRANGEBYSCORE", key, low, high, "LIMIT", from, size)
end

-- Running jobs with an expired lease come first, as pop returns them to the front.
local function candidates(s, queue, wanted)
  local jids = by_score(keys.running(queue), "-inf", s.now, 0, wanted)
  local ranked = {}
  for i, jid in ipairs(jids) do
    ranked[i] = { jid = jid, score = limits.reclaimed, at = 0, rank = i }
  end
  local flat = redis.call("ZRANGE", keys.waiting(queue), 0, wanted - 1, "WITHSCORES")
  for i = 1, #flat, 2 do
    ranked[#ranked + 1] = { jid = string.sub(flat[i], 13), score = tonumber(flat[i + 1]),
      at = stored.ready_at(flat[i]), rank = #ranked + 1 }
  end
  return ranked
end

-- Adds scheduled jobs whose time has come, as many as one call would promote.
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

local function in_plain_order(s, queue, wanted)
  local ranked = candidates(s, queue, wanted)
  add_due(s, queue, ranked)
  table.sort(ranked, before)
  return ranked
end

-- In a queue with users: jobs with an expired lease, then ready ones in fair order as if no
-- throttle refused any, then due ones.
local function in_turns(s, queue, virtual, wanted)
  local ranked = {}
  for i, jid in ipairs(by_score(keys.running(queue), "-inf", s.now, 0, wanted)) do
    ranked[i] = { jid = jid }
  end
  local gates = redis.call("ZRANGEBYSCORE", keys.open(queue), "-inf", "(+inf",
    "LIMIT", 0, limits.gates)
  local order = fairness.new(queue, tonumber(virtual), gates, wanted)
  while #ranked < wanted do
    local found = fairness.next(order)
    if not found then
      break
    end
    fairness.consume(found)
    fairness.charge(order, found.user)
    ranked[#ranked + 1] = found
  end
  add_due(s, queue, ranked)
  return ranked
end

-- Views in the order in which pop would lease the jobs. `virtual` is the virtual time of a queue in
-- which pop chooses jobs, false in any other.
function peek.views(s, queue, virtual, from, size)
  local ranked
  -- Without ready jobs of users and open throttles the plain order decides.
  if virtual and redis.call("EXISTS", keys.shared(queue), keys.open(queue)) > 0 then
    ranked = in_turns(s, queue, virtual, math.min(from + size, limits.call))
  else
    ranked = in_plain_order(s, queue, math.min(from + size, limits.page))
  end
  local views = {}
  for i = from + 1, math.min(from + size, #ranked) do
    local job = job_lib.find(ranked[i].jid)
    views[#views + 1] = job and view.full(s, job) or nil
  end
  return views
end

return peek
