-- Repairs what nobody can read: a key is set aside with its bytes, a field or an entry gets a value
-- that is safe. Each returns false if it left everything as it was.

local call = require("lib.core.call")
local check = require("lib.core.check")
local job_lib = require("lib.job.job")
local deploys = require("lib.stats.deploys")
local failure_groups = require("lib.stats.failure_groups")
local keys = require("lib.core.keys")
local recurrence = require("lib.recurring.recurrence")
local stored = require("lib.core.stored")
local tokens = require("lib.access.tokens")
local webhooks = require("lib.webhook.webhooks")

local unreadable = {}

-- Entries of one series that are looked at.
local ENTRIES = 4000

local function full(name)
  return call.namespace .. ":" .. name
end

-- Sets aside a key of another type than `expected`.
function unreadable.wrong_type(_, name, expected)
  local key = full(name)
  local type_name = redis.call("TYPE", key)["ok"]
  return type_name ~= "none" and type_name ~= expected and redis.quarantine(key)
end

-- Writes a job again of which only what never differs is damaged; returns whether it was.
local function rewrite(key, job)
  local value = job_lib.pack(job)
  if value == redis.call("GET", key) then
    return false
  end
  redis.call("SET", key, value)
  return true
end

-- Sets aside a key whose value cannot be read; what reads it decides that.
function unreadable.key(_, name)
  local key = full(name)
  local before = redis.call("EXISTS", key)
  local kind, rest = string.match(name, "^(%l+):(.+)$")
  local job
  if kind == "job" then
    job = job_lib.find(rest)
  elseif kind == "recurring" then
    job = recurrence.find(rest)
  elseif kind == "canceled" and string.find(rest, ":job$") then
    job = require("lib.job.canceled").find(string.sub(rest, 1, -5))
  else
    stored.get(key)
  end
  return job and rewrite(key, job) or redis.call("EXISTS", key) < before
end

-- Sets aside a hash or string that a check found to be useless as a whole: counters of a minute, a
-- batch without its beginning, a remembered reply, a release.
function unreadable.whole(_, name)
  return redis.call("EXISTS", full(name)) == 1 and redis.quarantine(full(name))
end

-- Removes records of a series that cannot be read or have another number than their score.
function unreadable.series(_, name, unit)
  local flat = redis.call("ZRANGE", full(name), 0, ENTRIES - 1, "WITHSCORES")
  local removed = 0
  for i = 1, #flat, 2 do
    local record = stored.unpack(flat[i])
    if not record or record[unit] ~= tonumber(flat[i + 1]) then
      removed = removed + redis.call("ZREM", full(name), flat[i])
    end
  end
  return removed > 0
end

-- Gives fields of meta a safe value, unless they are gone or were set again since the check. A
-- queue stays paused; the call itself writes the clock and the counters when it ends.
function unreadable.meta(s, field)
  local value = redis.call("HGET", keys.meta(), field)
  if string.find(field, "^paused:.") then
    if not value or (stored.unpack(value) or {}).since then
      return false
    end
    redis.call("HSET", keys.meta(), field, cmsgpack.pack({ since = s.now }))
  elseif string.find(field, "^fair:.") then
    if not value or (string.find(value, "^%d[%d.e+-]*$") and tonumber(value)) then
      return false
    end
    redis.call("HSET", keys.meta(), field, "0")
  elseif field == "canceled_bytes" then
    redis.call("HSET", keys.meta(), field, "0")
  end
end

function unreadable.weight(_, user)
  return redis.call("HDEL", keys.weights(), user) == 1
end

-- Deletes a field of a hash whose name is no id, or whose value cannot be used.
local function delete_unusable(key, field, is_id, parse)
  local packed = redis.call("HGET", key, field)
  local is_usable = is_id and parse(packed)
  return packed and not is_usable and redis.call("HDEL", key, field) == 1 or false
end

-- Nobody can use a token that cannot be read, so it is deleted.
function unreadable.token(_, id)
  return delete_unusable(keys.tokens(), id, tokens.is_id(id), tokens.parse)
end

-- A webhook that cannot be read gets nothing, so it is deleted.
function unreadable.webhook(_, id)
  return delete_unusable(keys.webhooks(), id, check.is_name(id), webhooks.parse)
end

function unreadable.deploy(_, id)
  return delete_unusable(keys.deploys(), id, check.is_name(id), deploys.parse)
end

-- What was seen of a failure group begins anew unless both its record and its place in the list are
-- right.
function unreadable.seen_group(_, group)
  local record = failure_groups.parse(redis.call("HGET", keys.group_records(), group))
  if record and redis.call("ZSCORE", keys.groups(), group) then
    return false
  end
  failure_groups.forget(group)
end

-- An edge without a policy is one that waits, older than every release.
function unreadable.parent(_, jid, parent)
  local edge = redis.call("HGET", keys.parents(jid), parent)
  if not edge or string.find(edge, "^%l+:%d+$") then
    return false
  end
  redis.call("HSET", keys.parents(jid), parent, "wait:0")
end

-- Removes an entry that is no name from a list.
function unreadable.entry(_, name, member)
  local type_name = redis.call("TYPE", full(name))["ok"]
  return redis.call(type_name == "set" and "SREM" or "ZREM", full(name), member) == 1
end

return unreadable
