-- Keeps copies of canceled jobs for a while, so that people can look at them and restore them. A
-- copy is the record as it was, with how it was canceled. What is stored apart from a record is
-- renamed, so data of any size is moved at once.

local check = require("lib.core.check")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")

local canceled = {}

local WEEK = 604800
local MEGABYTES_64 = 67108864
local HOW = { by = true, reason = true }
-- What is stored apart from a record, by the field that announces it.
local PARTS = {
  apart = { name = "data", key = keys.data },
  spilled = { name = "history", key = keys.history },
  has_failure = { name = "failure", key = keys.failure },
  has_progress = { name = "progress", key = keys.progress },
}

-- Checks who cancels and why, both optional.
function canceled.read_how(options)
  check.map("how", options, HOW)
  if options.by ~= nil then
    check.text("by", options.by, 128)
  end
  if options.reason ~= nil then
    check.text("reason", options.reason, limits.reason)
  end
  return options
end

-- What is kept, and its bounds. A bound of 0 keeps nothing.
local function copies_of(s)
  if not s.canceled_copies then
    local found = redis.call("HMGET", keys.meta(), "config:canceled-history",
      "config:canceled-history-count", "config:canceled-history-size", "canceled_bytes")
    s.canceled_copies = {
      span = (tonumber(found[1]) or WEEK) * 1000,
      most = tonumber(found[2]) or 10000,
      most_bytes = tonumber(found[3]) or MEGABYTES_64,
      bytes = tonumber(found[4]) or 0,
      number = redis.call("ZCARD", keys.canceled_jobs()),
      evicted = 0,
    }
  end
  return s.canceled_copies
end

-- The copy of a canceled job, or nil.
function canceled.find(jid)
  local key = keys.canceled_job(jid)
  local value = redis.call("GET", key)
  return value and job_lib.parse(jid, value, key) or nil
end

local function count(copies, number, bytes)
  copies.number = copies.number + number
  copies.bytes = copies.number > 0 and math.max(copies.bytes + bytes, 0) or 0
  redis.call("HSET", keys.meta(), "canceled_bytes", string.format("%.0f", copies.bytes))
end

-- Deletes the keys of a copy.
function canceled.delete(jid)
  redis.call("UNLINK", keys.canceled_job(jid), keys.canceled_part(jid, "data"),
    keys.canceled_part(jid, "history"), keys.canceled_part(jid, "failure"),
    keys.canceled_part(jid, "progress"), keys.canceled_part(jid, "dependents"))
end

-- Whether a part is missing that the copy announces.
function canceled.lacks_part(copy)
  for field, part in pairs(PARTS) do
    local key = keys.canceled_part(copy.jid, part.name)
    if copy.record[field] and redis.call("EXISTS", key) == 0 then
      return true
    end
  end
  return false
end

-- Deletes the parts that the copy does not announce.
function canceled.delete_strays(copy)
  for field, part in pairs(PARTS) do
    if not copy.record[field] then
      redis.call("UNLINK", keys.canceled_part(copy.jid, part.name))
    end
  end
end

-- Deletes the copy of a canceled job; returns whether there was one.
function canceled.forget(s, jid)
  if redis.call("ZREM", keys.canceled_jobs(), jid) == 0 then
    return false
  end
  local copy = canceled.find(jid)
  local how = copy and copy.record.canceled
  canceled.delete(jid)
  count(copies_of(s), -1, -(how and how.bytes or 0))
  return true
end

local function forget_oldest(s)
  local oldest = redis.call("ZRANGE", keys.canceled_jobs(), 0, 0)[1]
  return oldest and canceled.forget(s, oldest)
end

local function is_full(copies, bytes)
  return copies.number > 0
    and (copies.number >= copies.most or copies.bytes + bytes > copies.most_bytes)
end

-- Deletes the oldest copies until there is room for so many bytes; returns whether there is.
local function make_room(s, copies, bytes)
  if copies.span <= 0 or copies.most == 0 or bytes > copies.most_bytes then
    return false
  end
  while is_full(copies, bytes) do
    if copies.evicted >= limits.evicted then
      redis.call("ZADD", keys.due(), "LT", s.now, "sweep") -- It makes further room.
      return false
    end
    copies.evicted = copies.evicted + 1
    forget_oldest(s)
  end
  return true
end

local function history_bytes(jid)
  local bytes = 0
  for _, entry in ipairs(redis.call("LRANGE", keys.history(jid), 0, -1)) do
    bytes = bytes + #entry
  end
  return bytes
end

-- The bytes that a job takes outside its record.
local function bytes_apart(job)
  local record, jid = job.record, job.jid
  return (record.apart or 0)
    + (record.spilled and history_bytes(jid) or 0)
    + (record.has_failure and redis.call("STRLEN", keys.failure(jid)) or 0)
    + (record.has_progress and redis.call("STRLEN", keys.progress(jid)) or 0)
end

-- Notes the parents of the job with their policies, and which of them it still waited for.
local function note_parents(record, jid)
  local policies = {}
  local flat = redis.call("HGETALL", keys.parents(jid))
  for i = 1, #flat, 2 do
    policies[flat[i]] = string.match(flat[i + 1], "^%l+") or "wait"
  end
  record.policies = policies
  record.waits = redis.call("SMEMBERS", keys.dependencies(jid))
end

local function copy_of(s, job, how)
  local record = {}
  for name, value in pairs(job.record) do
    record[name] = value
  end
  if record.parents then
    note_parents(record, job.jid)
  end
  how = how or {}
  record.canceled = { at = s.now, by = how.by, reason = how.reason, parent = how.parent, bytes = 0 }
  return { jid = job.jid, record = record, data = job.data }
end

-- Moves what is stored apart; what was lost is not announced any more.
local function move_parts(copy)
  local record, jid = copy.record, copy.jid
  for field, part in pairs(PARTS) do
    local key = part.key(jid)
    if record[field] and redis.call("EXISTS", key) == 1 then
      redis.call("RENAME", key, keys.canceled_part(jid, part.name))
    else
      record[field] = nil
    end
  end
end

-- Keeps a copy of a job that is about to be canceled and is still in its state; returns whether it
-- does. `how` says by whom it is canceled, for which reason, and because of which parent.
function canceled.keep(s, job, how)
  local copies, copy = copies_of(s), copy_of(s, job, how)
  local jid, record = job.jid, copy.record
  canceled.forget(s, jid) -- An earlier life of the same jid.
  local bytes = #job_lib.pack(copy) + bytes_apart(job)
  if not make_room(s, copies, bytes) then
    return false
  end
  record.canceled.bytes = bytes
  move_parts(copy)
  redis.call("SET", keys.canceled_job(jid), job_lib.pack(copy))
  redis.call("ZADD", keys.canceled_jobs(), s.now, jid)
  count(copies, 1, bytes)
  local parent = record.canceled.parent
  if parent and redis.call("ZSCORE", keys.canceled_jobs(), parent) then
    redis.call("SADD", keys.canceled_part(parent, "dependents"), jid)
  end
  return true
end

-- Deletes copies that were kept long enough or are too many, oldest first; returns the budget left.
function canceled.expire(s, budget)
  local copies = copies_of(s)
  local oldest = redis.call("ZRANGE", keys.canceled_jobs(), 0, budget - 1, "WITHSCORES")
  local left = budget
  for i = 1, #oldest, 2 do
    local is_old = tonumber(oldest[i + 1]) <= s.now - copies.span
    if not is_old and copies.number <= copies.most and copies.bytes <= copies.most_bytes then
      break
    end
    canceled.forget(s, oldest[i])
    left = left - 1
  end
  return left
end

return canceled
