-- Searches the audit log, the newest entry first.

local audit = require("lib.core.audit")
local check = require("lib.core.check")
local errors = require("lib.core.errors")
local glob = require("lib.core.glob")
local keys = require("lib.core.keys")

local audit_search = {}

-- Entries that one call reads at once, and examines at most. A page without a filter reads hardly
-- more than it shows.
local BLOCK, MOST = 100, 1000

local CHOICES = { door = audit.DOORS, outcome = audit.OUTCOMES }

-- An id of an entry, "" for none.
function audit_search.position(text)
  check.text("before", text, 40)
  local ms, number = string.match(text, "^(%d+)%-(%d+)$")
  if text ~= "" and not (ms and #ms <= 16 and #number <= 16) then
    errors.bad("before is not the id of an entry, like 1764547200123-0")
  end
  return text
end

-- Reads a packed filter into patterns by the fields of entries.
function audit_search.filter(packed)
  local wanted = check.options("filter", packed,
    { who = true, action = true, target = true, door = true, outcome = true })
  local patterns = {}
  for name, value in pairs(wanted) do
    check.text(name, value, 256)
    if CHOICES[name] then
      check.one_of(name, value, CHOICES[name])
    end
    patterns[name == "target" and "targets" or name] = glob.compiled(value)
  end
  return patterns
end

local function any_line_matches(parts, text)
  for line in string.gmatch(text, "[^\n]+") do
    if glob.matches(parts, line) then
      return true
    end
  end
  return false
end

local function is_wanted(entry, patterns)
  for name, parts in pairs(patterns) do
    if not any_line_matches(parts, entry[name] or "") then
      return false
    end
  end
  return true
end

local function entry_of(pair)
  local entry = { id = pair[1] }
  for i = 1, #pair[2], 2 do
    entry[pair[2][i]] = pair[2][i + 1]
  end
  return entry
end

-- At most `count` entries older than the id `before` and not older than `oldest` (ms), and the id
-- behind which the search goes on, "" at the end.
function audit_search.page(before, oldest, count, patterns)
  local entries, at, seen = {}, before, 0
  local first = string.format("%.0f", oldest)
  while seen < MOST do
    local from = at == "" and "+" or "(" .. at
    local block = redis.call("XREVRANGE", keys.audit(), from, first, "COUNT", BLOCK)
    for _, pair in ipairs(block) do
      local entry = entry_of(pair)
      at = entry.id
      if is_wanted(entry, patterns) then
        entries[#entries + 1] = entry
      end
      if #entries == count then
        return entries, at
      end
    end
    if #block < BLOCK then
      return entries, ""
    end
    seen = seen + #block
  end
  return entries, at
end

return audit_search
