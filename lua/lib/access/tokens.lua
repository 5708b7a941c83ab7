-- Access tokens of the HTTP API: one hash, with a packed record for each token by its id. The
-- secret of a token is never stored, only its SHA-256.

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local stored = require("lib.core.stored")

local tokens = {}

tokens.OPTIONS = {
  name = true, scopes = true, queues = true, klasses = true, expires_at = true,
  expires_in = true, created_by = true,
}

local SCOPES = { put = true, work = true, read = true, operate = true, data = true }

function tokens.is_id(id)
  return type(id) == "string" and #id <= 32 and string.find(id, "^[a-z0-9]+$") ~= nil
end

function tokens.check_id(id)
  if not tokens.is_id(id) then
    errors.bad("id is not 1 to 32 lower-case letters and digits")
  end
  return id
end

local function check_digest(digest)
  if type(digest) ~= "string" or #digest ~= 64 or string.find(digest, "[^%da-f]") then
    errors.bad("digest is not a SHA-256 in lower-case hexadecimal")
  end
end

local function check_scopes(scopes)
  local seen = {}
  for _, scope in ipairs(check.list("scopes", scopes, 1, 5)) do
    if seen[check.one_of("scopes", scope, SCOPES)] then
      errors.bad("scopes holds " .. scope .. " twice")
    end
    seen[scope] = true
  end
end

-- A list of patterns. Those of queues consist of the characters of names, and stars.
local function check_patterns(what, patterns, form)
  for _, pattern in ipairs(check.list(what, patterns, 1, limits.patterns)) do
    check.line(what, pattern)
    if form and (#pattern > 128 or not string.find(pattern, form)) then
      errors.bad(what .. " holds " .. errors.quoted(pattern) .. ", which is no name or pattern")
    end
  end
end

-- Checks what a new token may have.
function tokens.check(digest, given)
  check_digest(digest)
  check.line("name", given.name)
  check_scopes(given.scopes)
  if given.queues ~= nil then
    check_patterns("queues", given.queues, "^[%w_*][%w_.:@~+*-]*$")
  end
  if given.klasses ~= nil then
    check_patterns("klasses", given.klasses)
  end
  if given.expires_at ~= nil and given.expires_in ~= nil then
    errors.bad("expires_at and expires_in exclude each other")
  end
  if given.expires_at ~= nil then
    check.count("expires_at", given.expires_at, 0, 4503599627370000)
  end
  if given.expires_in ~= nil then
    check.count("expires_in", given.expires_in, 1, 3155760000000)
  end
  if given.created_by ~= nil then
    check.line("created_by", given.created_by)
  end
end

local function has_expired(s, record)
  return record.expires_at and record.expires_at <= s.now
end

-- The record of a packed token; nil if it cannot be read.
function tokens.parse(packed)
  local record = packed and stored.unpack(packed)
  local is_usable = record
    and type(record.digest) == "string"
    and type(record.name) == "string"
    and type(record.scopes) == "table"
    and type(record.created_at) == "number"
  return is_usable and record or nil
end

-- All tokens by their ids, with false for one that cannot be read.
local function all()
  local found = {}
  local flat = redis.call("HGETALL", keys.tokens())
  for i = 1, #flat, 2 do
    found[flat[i]] = tokens.parse(flat[i + 1]) or false
  end
  return found
end

-- The ids of the tokens that have to be deleted so that one more may be stored: none unless the
-- number of tokens is at its limit.
local function ids_to_delete(s)
  if redis.call("HLEN", keys.tokens()) < limits.tokens then
    return {}
  end
  local ids = {}
  for id, record in pairs(all()) do
    if not record or has_expired(s, record) then
      ids[#ids + 1] = id
    end
  end
  if #ids == 0 then
    errors.bad("there are " .. limits.tokens .. " tokens already: revoke one first")
  end
  return ids
end

-- A token as queries show it: without the digest.
function tokens.show(id, record)
  record.digest = nil
  record.id = id
  return record
end

-- Stores a new token; returns it as queries show it.
function tokens.create(s, id, digest, given)
  if redis.call("HEXISTS", keys.tokens(), id) == 1 then
    errors.raise("EXISTS", "Token " .. id .. " exists")
  end
  local stale = ids_to_delete(s)
  local record = {
    digest = digest, name = given.name, scopes = given.scopes, queues = given.queues,
    klasses = given.klasses, created_by = given.created_by, created_at = s.now,
    expires_at = given.expires_at or given.expires_in and s.now + given.expires_in,
  }
  for _, one in ipairs(stale) do
    redis.call("HDEL", keys.tokens(), one)
  end
  redis.call("HSET", keys.tokens(), id, cmsgpack.pack(record))
  return tokens.show(id, record)
end

-- The record of a token that may be used now, else nil.
function tokens.find(s, id)
  local record = tokens.parse(redis.call("HGET", keys.tokens(), id))
  return record and not has_expired(s, record) and record or nil
end

-- Whether the time of the last use that is stored is older than a minute.
function tokens.is_use_due(s, record)
  return not (record.used_at and s.now - record.used_at < limits.use)
end

function tokens.save(id, record)
  redis.call("HSET", keys.tokens(), id, cmsgpack.pack(record))
end

-- All tokens, the oldest in front.
function tokens.list()
  local rows = {}
  for id, record in pairs(all()) do
    if record then
      rows[#rows + 1] = tokens.show(id, record)
    end
  end
  table.sort(rows, function(one, other)
    if one.created_at ~= other.created_at then
      return one.created_at < other.created_at
    end
    return one.id < other.id
  end)
  return rows
end

return tokens
