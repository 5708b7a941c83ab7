-- The log of who changed what: a stream of the newest entries. The id of an entry is its time in ms
-- and a number.

local check = require("lib.core.check")
local config = require("lib.core.config")
local keys = require("lib.core.keys")

local audit = {}

-- The fields of an entry with the bytes that each may have, in the order in which they are stored.
local FIELDS = {
  { "who", 128 }, { "role", 32 }, { "door", 32 }, { "address", 64 }, { "action", 64 },
  { "targets", 4096 }, { "details", 2048 }, { "count", 16 }, { "outcome", 16 },
  { "result", 1024 },
}
audit.DOORS = { dashboard = true, ["command line"] = true, http = true, worker = true }
audit.OUTCOMES = { done = true, refused = true }

-- Checks a packed entry and returns it as a map of texts. Targets are separated by line breaks.
function audit.check(packed)
  local entry = check.options("entry", packed)
  local known = {}
  for _, field in ipairs(FIELDS) do
    known[field[1]] = true
  end
  check.map("entry", entry, known)
  for _, field in ipairs(FIELDS) do
    check.text(field[1], entry[field[1]] or "", field[2])
  end
  check.line("who", entry.who)
  check.line("action", entry.action)
  check.one_of("door", entry.door, audit.DOORS)
  check.one_of("outcome", entry.outcome, audit.OUTCOMES)
  if entry.count and entry.count ~= "" then
    check.integer("count", entry.count, 0, 2 ^ 52)
  end
  return entry
end

-- How many entries are kept of this one; 0: it is not written. A change of an option is kept even
-- while the log is off, so that it says who turned it off.
function audit.limit(s, entry)
  local usual = tonumber(config.DEFAULTS["audit-log"])
  local limit = tonumber(s.meta["config:audit-log"]) or usual
  local is_of_option = string.sub(entry.action, 1, 7) == "option " and entry.outcome == "done"
  return limit == 0 and is_of_option and usual or limit
end

-- The names and values of an entry, in one list.
local function flat(entry)
  local values = {}
  for _, field in ipairs(FIELDS) do
    local value = entry[field[1]] or ""
    if value ~= "" then
      values[#values + 1] = field[1]
      values[#values + 1] = value
    end
  end
  return values
end

local function write(time, entry, limit)
  local id = string.format("%.0f-*", time)
  return redis.pcall("XADD", keys.audit(), "MAXLEN", "~", limit, id, unpack(flat(entry)))
end

-- Whether something else has added an entry with an id that no later one can exceed.
local function is_damaged(why)
  return string.find(why, "XADD is equal", 1, true) or string.find(why, "exhausted", 1, true)
    or string.find(why, "Invalid stream ID", 1, true)
end

-- Adds an entry and returns its id. Entries beyond the limit are removed in blocks of about 100.
function audit.add(s, entry, limit)
  local newest = redis.call("XREVRANGE", keys.audit(), "+", "-", "COUNT", 1)[1]
  local at = newest and tonumber(string.match(newest[1], "^%d+")) or 0
  -- The id of an entry is never less than that of the newest, even if the clock was set back.
  local reply = write(math.max(s.now, at), entry, limit)
  local why = type(reply) == "table" and reply.err
  if why and is_damaged(why) and redis.quarantine(keys.audit()) then
    reply = write(s.now, entry, limit)
  end
  if type(reply) == "table" then
    error(reply)
  end
  return reply
end

return audit
