-- Unique keys, bound to the life of the job that holds them: while it is queued, while it is queued
-- or running, or for a window of time. A key whose holder has left its scope counts as free.

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local stored = require("lib.core.stored")

local unique = {}

local FIELDS = { key = true, scope = true, window = true }
local SCOPES = { queued = true, running = true, window = true }
local QUEUED = { waiting = true, stalled = true, throttled = true, scheduled = true,
  depends = true }

function unique.check(what, value)
  check.map(what, value, FIELDS)
  check.name(what .. " key", value.key)
  check.one_of(what .. " scope", value.scope, SCOPES)
  if value.scope == "window" then
    check.count(what .. " window", value.window, 1, 3155760000000)
  elseif value.window ~= nil then
    errors.bad(what .. " window needs the scope window")
  end
  return value
end

local function in_scope(record, scope)
  return QUEUED[record.state] or (scope == "running" and record.state == "running")
end

local function has_key(holder, key)
  local own = holder and holder.record.unique
  return own and own.key == key
end

local function still_holds(holder, key)
  return has_key(holder, key) and in_scope(holder.record, holder.record.unique.scope)
end

-- The job that holds the key, or nil. The job that took a key for a window may be gone, or put anew
-- without that key: then only its jid is known.
function unique.holder(s, key)
  local entry = stored.get(keys.unique(key))
  if not entry or not entry.jid then
    return nil
  end
  local holder, ends = job_lib.find(entry.jid), entry["until"]
  if ends then
    return ends > s.now and (has_key(holder, key) and holder or { jid = entry.jid }) or nil
  end
  return still_holds(holder, key) and holder or nil
end

function unique.take(s, job)
  local own = job.record.unique
  local ends = own.scope == "window" and s.now + own.window or nil
  redis.call("SET", keys.unique(own.key), cmsgpack.pack({ jid = job.jid, ["until"] = ends,
    window = ends and own.window or nil }))
  if ends then
    redis.call("ZADD", keys.windows(), ends, own.key)
  else
    redis.call("ZREM", keys.windows(), own.key)
  end
end

-- Counts a window from now that began at an instant now in the future, after the clock was set
-- back. Returns whether it has become shorter.
function unique.adjust_window(s, key)
  local entry = stored.get(keys.unique(key))
  local longest = entry and entry.window and s.now + entry.window
  if not longest or not entry["until"] or entry["until"] <= longest then
    return false
  end
  entry["until"] = longest
  redis.call("SET", keys.unique(key), cmsgpack.pack(entry))
  redis.call("ZADD", keys.windows(), longest, key)
  return true
end

local function holds(job)
  local entry = stored.get(keys.unique(job.record.unique.key))
  return entry and entry.jid == job.jid
end

-- Releases the key if the job still holds it.
function unique.drop(job)
  if job.record.unique and holds(job) then
    redis.call("DEL", keys.unique(job.record.unique.key))
    redis.call("ZREM", keys.windows(), job.record.unique.key)
  end
end

-- Adjusts the key after a change of state: gives it up if the new state is out of its scope, and
-- takes it again for a job that returned, if it is free. Never refuses.
function unique.adjust(s, job)
  local own = job.record.unique
  if not own or own.scope == "window" then
    return
  end
  if not in_scope(job.record, own.scope) then
    unique.drop(job)
  elseif not unique.holder(s, own.key) then
    unique.take(s, job)
  end
end

return unique
