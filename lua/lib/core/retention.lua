-- Deletes what is kept for a limited time, in small steps.

local batches = require("lib.batch.batches")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local klasses = require("lib.stats.klasses")
local limits = require("lib.core.limits")
local removal = require("lib.job.removal")
local series = require("lib.stats.series")
local stats = require("lib.stats.stats")

local retention = {}

local MONTH = 2592000
-- Milliseconds for which batches and tracking entries are kept at least, however short the
-- retention of completed jobs is: a batch is opened before it has members.
local DAY = 86400000

-- Deletes completed jobs that are too old or too many, oldest first; returns the budget that is
-- left. `history` and `count` are the options jobs-history and jobs-history-count as text.
function retention.delete_completed(s, history, count, budget)
  local key = keys.complete()
  local before = s.now - (tonumber(history) or MONTH) * 1000
  local excess = redis.call("ZCARD", key) - math.max(tonumber(count) or 50000, 0)
  local oldest = redis.call("ZRANGE", key, 0, budget - 1, "WITHSCORES")
  local deleted = 0
  for i = 1, #oldest, 2 do
    if tonumber(oldest[i + 1]) > before and deleted >= excess then
      break
    end
    local job = job_lib.find(oldest[i])
    if job then
      removal.delete_complete(s, job)
    else
      redis.call("ZREM", key, oldest[i])
    end
    deleted = deleted + 1
  end
  return budget - deleted
end

local function old(key, before, budget)
  return redis.call("ZRANGEBYSCORE", key, "-inf", before, "LIMIT", 0, budget)
end

local function drop_scores(key, before, budget)
  local members = old(key, before, budget)
  if #members > 0 then
    redis.call("ZREM", key, unpack(members))
  end
  return budget - #members
end

local function drop_windows(s, budget)
  local names = old(keys.windows(), s.now, budget)
  for _, name in ipairs(names) do
    redis.call("DEL", keys.unique(name))
    redis.call("ZREM", keys.windows(), name)
  end
  return budget - #names
end

local function drop_workers(s, age, budget)
  local names = old(keys.workers(), s.now - age, budget)
  for _, name in ipairs(names) do
    if redis.call("EXISTS", keys.worker_jobs(name)) == 0 then
      redis.call("ZREM", keys.workers(), name)
      redis.call("DEL", keys.worker_info(name), keys.worker_command(name),
        keys.worker_report(name))
    end
  end
  return budget - #names
end

-- The entry of a job that still exists is renewed.
local function drop_tracked(s, age, budget)
  local jids = old(keys.tracked(), s.now - age, budget)
  for _, jid in ipairs(jids) do
    if redis.call("EXISTS", keys.job(jid)) == 1 then
      redis.call("ZADD", keys.tracked(), s.now, jid)
    else
      removal.untrack(jid)
    end
  end
  return budget - #jids
end

-- Whether nothing can happen in a batch any more: its callbacks were put, and nobody can add to it.
local function is_over(name)
  if redis.call("EXISTS", keys.members(name), keys.inner(name)) > 0
    or redis.call("EXISTS", keys.releases()) == 1 then
    return false
  end
  local state = redis.call("HMGET", keys.batch_record(name), "finished_at", "owner", "failed")
  if state[1] then
    -- A failed member may run again, and then rejoins the batch.
    return (tonumber(state[3]) or 0) <= 0
  end
  return not state[2] or redis.call("EXISTS", keys.job(state[2])) == 0
end

local function drop_batches(s, age, budget)
  local names = old(keys.batches(), s.now - age, budget)
  for _, name in ipairs(names) do
    if is_over(name) then
      batches.erase(s, name)
    else
      redis.call("ZADD", keys.batches(), s.now, name)
    end
  end
  return budget - #names
end

-- Files the statistics of a queue that fell idle, and trims its series. One queue per round.
local function tidy_series(s, days)
  local at = tonumber(redis.call("HGET", keys.meta(), "sweep_queue")) or 0
  local queue = redis.call("ZRANGE", keys.queues(), at, at)[1]
  redis.call("HSET", keys.meta(), "sweep_queue", queue and at + 1 or 0)
  if not queue then
    return
  end
  local counted = tonumber(redis.call("HGET", keys.queue_now(queue), "minute"))
  local minute = stats.minute(s.now)
  if counted and counted < minute then
    series.file(s, queue)
  end
  redis.call("ZREMRANGEBYSCORE", keys.minutes(queue), "-inf", minute - 1440)
  redis.call("ZREMRANGEBYSCORE", keys.tens(queue), "-inf", math.floor(minute / 10) - 2016)
  redis.call("ZREMRANGEBYSCORE", keys.days(queue), "-inf", series.day_of(minute) - days)
end

-- Makes tasks due for a few throttles, in case a job is parked there that nothing else would wake.
local function visit_throttles(s)
  local at = tonumber(redis.call("HGET", keys.meta(), "sweep_throttle")) or 0
  local ids = redis.call("ZRANGE", keys.throttles(), at, at + limits.visited - 1)
  for _, id in ipairs(ids) do
    if redis.call("EXISTS", keys.throttle_queues(id), keys.capped(id)) > 0 then
      redis.call("ZADD", keys.due(), "LT", s.now, "throttle:" .. id)
    end
  end
  if #ids > 0 or at > 0 then
    redis.call("HSET", keys.meta(), "sweep_throttle", #ids == limits.visited and at + #ids or 0)
  end
end

-- Does one round over everything that expires. Returns the budget that is left: at 0 another round
-- should follow at once.
function retention.sweep(s, budget)
  local config = redis.call("HMGET", keys.meta(), "config:jobs-history",
    "config:jobs-history-count", "config:max-worker-age", "config:stats-history")
  local age = math.max((tonumber(config[1]) or MONTH) * 1000, DAY)
  local least = retention.delete_completed(s, config[1], config[2], budget)
  least = math.min(least, drop_scores(keys.tombstones(), s.now, budget))
  least = math.min(least, drop_scores(keys.dead(), s.now - 3600000, budget))
  least = math.min(least, drop_windows(s, budget))
  least = math.min(least, drop_tracked(s, age, budget))
  least = math.min(least, drop_batches(s, age, budget))
  least = math.min(least, require("lib.job.canceled").expire(s, budget))
  least = math.min(least, require("lib.job.undo_list").expire(s, budget))
  drop_workers(s, (tonumber(config[3]) or 86400) * 1000, budget)
  visit_throttles(s)
  tidy_series(s, math.max(tonumber(config[4]) or 30, 1))
  klasses.tidy(s)
  return least
end

return retention
