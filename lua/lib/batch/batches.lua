-- Batches: a set of unfinished members, counters, and callbacks to put when all members have ended.
-- A batch is finished when it is closed and its last member has left. A nested batch is a member of
-- the outer one until it is finished and its callbacks are members of the outer one instead.

local dependencies = require("lib.job.dependencies")
local errors = require("lib.core.errors")
local events = require("lib.core.events")
local keys = require("lib.core.keys")
local stored = require("lib.core.stored")

local batches = {}

batches.CALLBACKS = { "on_success", "on_complete", "on_failure" }

local function is_member(batch, jid)
  return jid and redis.call("SISMEMBER", keys.members(batch), jid) == 1
end

function batches.exists(batch)
  return redis.call("HEXISTS", keys.batch_record(batch), "opened_at") == 1
end

-- Whether a closed batch takes this job as its own: a member, one that failed or was canceled, or,
-- while the batch is not finished, one that completed.
local function takes_back(batch, job, is_finished)
  local record = job.record or {}
  return redis.call("SISMEMBER", keys.canceled(batch), job.jid) == 1
    or record.batch == batch and not (record.state == "complete" and is_finished)
end

-- Refuses a batch that is unknown or accepts no more members. A closed batch still accepts jobs put
-- on behalf of `by`, an unfinished member, and takes back `job`, if that was a member.
function batches.require_open(batch, by, job)
  local state = redis.call("HMGET", keys.batch_record(batch), "opened_at", "closed_at",
    "finished_at")
  if not state[1] then
    errors.raise("NOBATCH", "Batch " .. batch .. " does not exist")
  elseif state[2] and not is_member(batch, by) and not (job and takes_back(batch, job, state[3]))
  then
    errors.raise("BATCHCLOSED", "Batch " .. batch .. " is closed")
  end
end

-- Adds a callback to the list of releases, once.
local function add_callback(s, batch, callback)
  local key = keys.batch_record(batch)
  if redis.call("HEXISTS", key, callback) == 1
    and redis.call("HSETNX", key, callback .. "_fired", "1") == 1 then
    dependencies.add_release(s, { batch = batch, callback = callback, reason = "batch" })
  end
end

-- Records that a callback was not put because a job of its jid, or with its unique key, exists.
function batches.record_conflict(s, batch, callback, spec, holder)
  redis.call("HSET", keys.batch_record(batch), callback .. "_conflict", holder)
  events.log(s, "conflict", spec.jid, spec.queue, ',"batch":"' .. batch .. '","callback":"'
    .. callback .. '","holder":"' .. holder .. '"')
end

-- "failed" if any member has, else "canceled" if any was, else "completed".
local function outcome_of(counts)
  if (counts.failed or "0") ~= "0" then
    return "failed"
  end
  return (counts.canceled or "0") ~= "0" and "canceled" or "completed"
end

local function read_outcome(batch)
  local counts = redis.call("HMGET", keys.batch_record(batch), "failed", "canceled")
  return outcome_of({ failed = counts[1] or nil, canceled = counts[2] or nil })
end

local function finish(s, batch)
  local key = keys.batch_record(batch)
  redis.call("HSET", key, "finished_at", string.format("%.0f", s.now))
  redis.call("ZADD", keys.batches(), s.now, batch)
  if read_outcome(batch) == "completed" then
    add_callback(s, batch, "on_success")
  end
  add_callback(s, batch, "on_complete")
  if redis.call("HEXISTS", key, "within") == 1 then
    -- Entries are drained in order, so the callbacks have joined the outer batch by then.
    dependencies.add_release(s, { batch = batch, callback = "within", reason = "batch" })
  end
end

local function finish_if_done(s, batch)
  local state = redis.call("HMGET", keys.batch_record(batch), "closed_at", "finished_at")
  if state[1] and not state[2]
    and redis.call("EXISTS", keys.members(batch), keys.inner(batch)) == 0 then
    finish(s, batch)
  end
end

batches.finish_if_done = finish_if_done

-- Counts a member that has ended, which may finish the batch.
local function count(s, batch, outcome)
  redis.call("HINCRBY", keys.batch_record(batch), outcome, 1)
  if outcome == "failed" then
    add_callback(s, batch, "on_failure")
  end
  finish_if_done(s, batch)
end

-- Makes a batch a member of another one.
function batches.nest(inner, outer)
  redis.call("HSET", keys.batch_record(inner), "within", outer)
  redis.call("SADD", keys.inner(outer), inner)
  redis.call("HINCRBY", keys.batch_record(outer), "total", 1)
end

-- Counts a nested batch in the outer one when it is finished, or erased unfinished.
function batches.count_in_outer(s, inner, gave_up)
  local state = redis.call("HMGET", keys.batch_record(inner), "within", "finished_at")
  local outer = state[1]
  if not outer or not (state[2] or gave_up)
    or redis.call("SREM", keys.inner(outer), inner) == 0 then
    return
  end
  local outcome = state[2] and read_outcome(inner) or "canceled"
  redis.call("HSET", keys.batch_record(inner), "counted", outcome)
  count(s, outer, outcome)
end

-- A finished batch has a member again. Its callbacks are not put a second time.
local function reopen(batch)
  local key = keys.batch_record(batch)
  if redis.call("HDEL", key, "finished_at") == 0 then
    return
  end
  local state = redis.call("HMGET", key, "within", "counted")
  if state[2] and redis.call("EXISTS", keys.batch_record(state[1])) == 1 then
    redis.call("HDEL", key, "counted")
    redis.call("SADD", keys.inner(state[1]), batch)
    redis.call("HINCRBY", keys.batch_record(state[1]), state[2], -1)
    reopen(state[1])
  end
end

function batches.join(batch, job)
  if job.record.context then
    require("lib.job.context").collect(batch, job.record)
  end
  if redis.call("SADD", keys.members(batch), job.jid) == 0 then
    return
  end
  if redis.call("SREM", keys.canceled(batch), job.jid) == 1 then
    redis.call("HINCRBY", keys.batch_record(batch), "canceled", -1)
  else
    redis.call("HINCRBY", keys.batch_record(batch), "total", 1)
  end
  reopen(batch)
end

-- A member ended as "completed", "failed" or "canceled". A failed one may be canceled later.
function batches.leave(s, job, outcome)
  local batch = job.record.batch
  if not batch or redis.call("HEXISTS", keys.batch_record(batch), "opened_at") == 0 then
    return
  end
  local left = redis.call("SREM", keys.members(batch), job.jid) == 1
  if outcome == "canceled" then
    redis.call("SADD", keys.canceled(batch), job.jid)
  end
  if left then
    count(s, batch, outcome)
  elseif outcome == "canceled" then
    redis.call("HINCRBY", keys.batch_record(batch), "failed", -1)
    redis.call("HINCRBY", keys.batch_record(batch), "canceled", 1)
  end
end

-- A member that had failed or completed runs again. A finished batch waits again for one that had
-- failed, so that success is still possible; one that had completed leaves it for good.
function batches.rejoin(job, outcome)
  local batch = job.record.batch
  if not batch then
    return
  end
  local state = redis.call("HMGET", keys.batch_record(batch), "opened_at", "finished_at")
  if not state[1] or (state[2] and outcome == "completed") then
    job.record.batch = nil
    return
  end
  redis.call("SADD", keys.members(batch), job.jid)
  redis.call("HINCRBY", keys.batch_record(batch), outcome, -1)
  reopen(batch)
end

-- Deletes a batch, except what others keep of it.
function batches.erase(s, batch)
  batches.count_in_outer(s, batch, true)
  redis.call("UNLINK", keys.batch_record(batch), keys.batch_data(batch), keys.canceled(batch))
  redis.call("ZREM", keys.batches(), batch)
end

function batches.close(s, batch)
  local at = string.format("%.0f", s.now)
  if redis.call("EXISTS", keys.batch_record(batch)) == 1
    and redis.call("HSETNX", keys.batch_record(batch), "closed_at", at) == 1 then
    finish_if_done(s, batch)
  end
end

local NUMBERS = { "total", "completed", "failed", "canceled" }
local TIMES = { "opened_at", "closed_at", "finished_at", "canceled_at" }
local PLAIN = { "owner", "within", "total", "completed", "failed", "canceled", "opened_at",
  "closed_at", "finished_at", "canceled_at" }

local function state_of(fields)
  return fields.finished_at and "finished" or fields.closed_at and "closed" or "open"
end

-- The same in the words of workflows, with the outcome of a finished batch.
local function phase_of(fields)
  if not fields.finished_at then
    return fields.closed_at and "running" or "open"
  end
  local outcome = outcome_of(fields)
  return outcome == "completed" and "complete" or outcome
end

-- What a reply shows of these fields of a batch, or nil if there is none.
local function shown_of(batch, fields)
  if not fields.opened_at then
    return nil
  end
  local shown = { name = batch, state = state_of(fields), owner = fields.owner,
    within = fields.within,
    pending = redis.call("SCARD", keys.members(batch)) + redis.call("SCARD", keys.inner(batch)) }
  for _, name in ipairs(NUMBERS) do
    shown[name] = tonumber(fields[name]) or 0
  end
  for _, name in ipairs(TIMES) do
    shown[name] = tonumber(fields[name])
  end
  shown.phase = phase_of(fields)
  return shown
end

-- The batch as a reply shows it, or nil.
function batches.show(batch)
  local flat = redis.call("HGETALL", keys.batch_record(batch))
  local fields = {}
  for i = 1, #flat, 2 do
    fields[flat[i]] = flat[i + 1]
  end
  local shown = shown_of(batch, fields)
  for _, name in ipairs(shown and batches.CALLBACKS or {}) do
    shown[name] = fields[name] and (stored.unpack(fields[name]) or {}).jid
    shown[name .. "_conflict"] = fields[name .. "_conflict"]
  end
  return shown
end

-- The batch without its callbacks, which hold data of any size; or nil.
function batches.summary(batch)
  local fields = {}
  for i, value in ipairs(redis.call("HMGET", keys.batch_record(batch), unpack(PLAIN))) do
    fields[PLAIN[i]] = value or nil
  end
  return shown_of(batch, fields)
end

return batches
