-- Batches: a set of unfinished members, counters, and jobs to put when all of them have ended.
-- A batch is finished when it is closed and its last member has left.

local errors = require("lib.errors")
local dependencies = require("lib.dependencies")
local keys = require("lib.keys")

local batches = {}

batches.CALLBACKS = { "on_success", "on_complete", "on_failure" }

-- Refuses a batch that is unknown or takes no more members.
function batches.require_open(batch)
  local state = redis.call("HMGET", keys.batch(batch), "opened_at", "closed_at")
  if not state[1] then
    errors.raise("NOBATCH", "Batch " .. batch .. " does not exist")
  elseif state[2] then
    errors.raise("BATCHCLOSED", "Batch " .. batch .. " is closed")
  end
end

-- Puts each callback into the drain once.
local function fire(s, batch, callback)
  local key = keys.batch(batch)
  if redis.call("HEXISTS", key, callback) == 1
    and redis.call("HSETNX", key, callback .. "_fired", "1") == 1 then
    dependencies.enlist(s, { batch = batch, callback = callback, reason = "batch" })
  end
end

local function finish(s, batch)
  local key = keys.batch(batch)
  redis.call("HSET", key, "finished_at", string.format("%.0f", s.now))
  redis.call("ZADD", keys.batches(), s.now, batch)
  local counts = redis.call("HMGET", key, "failed", "canceled")
  if (counts[1] or "0") == "0" and (counts[2] or "0") == "0" then
    fire(s, batch, "on_success")
  end
  fire(s, batch, "on_complete")
end

local function finish_if_done(s, batch)
  local state = redis.call("HMGET", keys.batch(batch), "closed_at", "finished_at")
  if state[1] and not state[2] and redis.call("EXISTS", keys.members(batch)) == 0 then
    finish(s, batch)
  end
end

batches.finish_if_done = finish_if_done

function batches.join(batch, jid)
  if redis.call("SADD", keys.members(batch), jid) == 1 then
    redis.call("HINCRBY", keys.batch(batch), "total", 1)
  end
end

-- A member ended as "completed", "failed" or "canceled".
function batches.leave(s, job, outcome)
  local batch = job.record.batch
  if not batch or redis.call("SREM", keys.members(batch), job.jid) == 0 then
    return
  end
  redis.call("HINCRBY", keys.batch(batch), outcome, 1)
  if outcome == "failed" then
    fire(s, batch, "on_failure")
  end
  finish_if_done(s, batch)
end

-- A member that had failed or completed runs again, unless the batch is finished.
function batches.rejoin(job, outcome)
  local batch = job.record.batch
  if not batch then
    return
  end
  local state = redis.call("HMGET", keys.batch(batch), "opened_at", "finished_at")
  if state[1] and not state[2] then
    redis.call("SADD", keys.members(batch), job.jid)
    redis.call("HINCRBY", keys.batch(batch), outcome, -1)
  else
    job.record.batch = nil
  end
end

function batches.close(s, batch)
  local at = string.format("%.0f", s.now)
  if redis.call("EXISTS", keys.batch(batch)) == 1
    and redis.call("HSETNX", keys.batch(batch), "closed_at", at) == 1 then
    finish_if_done(s, batch)
  end
end

local function state_of(fields)
  return fields.finished_at and "finished" or fields.closed_at and "closed" or "open"
end

-- The batch as a reply shows it, or nil.
function batches.show(batch)
  local flat = redis.call("HGETALL", keys.batch(batch))
  local fields = {}
  for i = 1, #flat, 2 do
    fields[flat[i]] = flat[i + 1]
  end
  if not fields.opened_at then
    return nil
  end
  local shown = { name = batch, state = state_of(fields), owner = fields.owner,
    pending = redis.call("SCARD", keys.members(batch)) }
  for _, name in ipairs({ "total", "completed", "failed", "canceled" }) do
    shown[name] = tonumber(fields[name] or 0)
  end
  for _, name in ipairs({ "opened_at", "closed_at", "finished_at" }) do
    shown[name] = tonumber(fields[name])
  end
  for _, name in ipairs(batches.CALLBACKS) do
    shown[name] = fields[name] and cmsgpack.unpack(fields[name]).jid
  end
  return shown
end

return batches
