-- Explains why a job is not running: what has to happen before it can, or what it does or did.
-- Nothing here writes. Each reason is a map with a `kind`.

local history = require("lib.job.history")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local queue_lib = require("lib.queue.queue")
local selection = require("lib.queue.selection")
local stored = require("lib.core.stored")
local subqueues = require("lib.admission.subqueues")
local throttles = require("lib.admission.throttles")

local explain = {}

-- Milliseconds for which a worker that asked for a queue counts as present, lists of queues to look
-- through, and bytes of worker info in a reply.
local ALIVE, LISTS, INFOS = 60000, 100, 1048576
local HOLDERS = 10

local function add(found, kind, reason)
  reason.kind = kind
  found[#found + 1] = reason
end

local function add_pause(s, found, queue)
  local packed = redis.call("HGET", keys.meta(), "paused:" .. queue)
  if queue_lib.is_paused(s, packed) then
    add(found, "paused", stored.unpack(packed) or {})
  end
end

local function some_holders(id)
  local queue = throttles.queue_of(id)
  return redis.call("ZRANGE", queue and keys.running(queue) or keys.holders(id), 0, HOLDERS - 1)
end

local function add_throttle(s, found, job, id)
  local entry, cost = throttles.get(s, id), throttles.cost(job.record, id)
  local why, at = throttles.refusal(s, entry, job.jid, cost)
  if not why then
    return
  end
  local record = entry.record
  add(found, "throttled", {
    throttle = id,
    why = why,
    next_at = at,
    cost = cost,
    concurrency = record.concurrency,
    rate = record.rate,
    per = record.per,
    burst = record.burst,
    tokens = record.tokens,
    blocked_until = record.blocked_until,
    reserved_for = record.reserved and record.reserved.jid,
    holding = throttles.holding(id),
    holders = some_holders(id),
  })
end

local function add_throttles(s, found, job)
  add_throttle(s, found, job, "queue:" .. job.record.queue)
  for _, id in ipairs(throttles.held_by(job.record)) do
    add_throttle(s, found, job, id)
  end
end

-- Adds how many jobs are before it in its own subqueue, and how many users share the queue.
local function add_rank(found, job)
  local record = job.record
  local queue, user = record.queue, record.user
  local key = subqueues.key(queue, user or "", record.gate or "")
  add(found, "behind", {
    ahead = redis.call("ZRANK", key, record.order .. job.jid) or 0,
    user = user,
    gate = record.gate,
    users = redis.call("ZCARD", keys.queue_users(queue, ""))
      + redis.call("EXISTS", keys.waiting(queue)),
  })
end

-- The last time somebody asked for jobs of a queue, or nil if none is known.
local function asked_at(s, queue)
  local flat = redis.call("ZREVRANGEBYSCORE", keys.served(), "+inf", s.now - ALIVE, "WITHSCORES",
    "LIMIT", 0, LISTS)
  for i = 1, #flat, 2 do
    local is_list, list = pcall(selection.parse, flat[i], {})
    if is_list and selection.place(list, queue) then
      return tonumber(flat[i + 1])
    end
  end
  return nil
end

-- Whether jobs of a queue are running, or were started in this minute or the one before.
local function is_running(s, queue)
  if redis.call("ZCOUNT", keys.running(queue), s.now, "+inf") > 0 then
    return true
  end
  local account = redis.call("HMGET", keys.queue_now(queue), "minute", "popped")
  return account[2] and (tonumber(account[1]) or 0) >= math.floor(s.now / 60000) - 1 or false
end

-- Adds who takes the queue: the last pop that asked for it, whether its jobs run, and the info of
-- the workers that are present, which says what they take. Any client may have popped once, so that
-- alone does not make it served.
local function add_workers(s, found, queue)
  local names = redis.call("ZREVRANGEBYSCORE", keys.workers(), "+inf", s.now - ALIVE, "LIMIT", 0,
    limits.page)
  local places = {}
  for i, name in ipairs(names) do
    places[i] = keys.worker_info(name)
  end
  local infos = #places > 0 and redis.call("MGET", unpack(places)) or {}
  local shown_infos, bytes_left = {}, INFOS
  for _, info in ipairs(infos) do
    bytes_left = bytes_left - #(info or "")
    shown_infos[#shown_infos + 1] = bytes_left > 0 and info or nil
  end
  add(found, "unasked", {
    queue = queue,
    asked_at = asked_at(s, queue),
    running = is_running(s, queue),
    infos = shown_infos,
  })
end

local function add_expiry(s, found, record)
  if record.expires and record.expires <= s.now then
    add(found, "expired", { at = record.expires })
  end
end

-- Adds how the last run ended, if the job was to run again.
local function add_attempt(found, job)
  local entry = history.last_attempt(job)
  if entry then
    local details = entry[3] or {}
    add(found, "attempt", {
      what = entry[1],
      at = entry[2],
      worker = details.worker,
      group = details.group,
      error = details.error or details.cause or details.reason,
    })
  end
end

local function ready(s, found, job)
  local queue = job.record.queue
  add_expiry(s, found, job.record)
  add_pause(s, found, queue)
  add_throttles(s, found, job)
  if job.record.order then
    add_rank(found, job)
  end
  add_workers(s, found, queue)
  add_attempt(found, job)
end

local function parents(found, job)
  local jids = redis.call("SMEMBERS", keys.dependencies(job.jid))
  table.sort(jids)
  local shown = { unpack(jids, 1, math.min(#jids, limits.call)) }
  local on = {}
  for i, parent in ipairs(job_lib.find_all(shown)) do
    on[i] = { shown[i], parent and parent.record.state or "gone" }
  end
  add(found, "depends", { number = #jids, on = on, at = job.record.due })
end

local states = {
  waiting = ready,
  stalled = ready,
  throttled = ready,
  scheduled = function(s, found, job)
    add(found, "scheduled", { at = job.record.due })
    if job.record.due <= s.now then
      ready(s, found, job)
    else
      add_attempt(found, job)
    end
  end,
  depends = function(_, found, job)
    parents(found, job)
  end,
  running = function(s, found, job)
    local record = job.record
    local ends = tonumber(redis.call("ZSCORE", keys.running(record.queue), job.jid) or 0)
    add(found, "running", {
      worker = record.worker,
      at = record.popped_at,
      expires_at = ends,
      lapsed = ends <= s.now,
      grace = record.grace and true or false,
      seen_at = tonumber(redis.call("ZSCORE", keys.workers(), record.worker) or nil),
    })
  end,
  failed = function(_, found, job)
    local packed = redis.call("GET", keys.failure(job.jid))
    local failure = packed and stored.unpack(packed) or {}
    add(found, "failed", {
      group = job.record.group,
      message = failure.message,
      worker = failure.worker,
      at = job.record.failed_at,
    })
  end,
  complete = function(_, found, job)
    add(found, "complete", { at = job.record.completed_at })
  end,
}

-- The reasons for a job, the one that must be resolved first in front.
function explain.job(s, job)
  local found = {}
  local add_reasons = states[job.record.state]
  if add_reasons then
    add_reasons(s, found, job)
  end
  return found
end

-- The one reason for a recurring job; `tick` is what its view shows.
function explain.recurring(job, tick)
  local record = job.record
  return { {
    kind = "recurring",
    next_at = tick,
    paused = record.paused,
    over = record.over,
    dry = record.cron and not record.over and #record.ticks == 0 or nil,
    limit = record.limit,
    made = record.made,
    ["end"] = record["end"],
  } }
end

return explain
