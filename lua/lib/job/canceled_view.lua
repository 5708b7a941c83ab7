-- What queries show of canceled jobs.

local canceled = require("lib.job.canceled")
local cursor = require("lib.core.cursor")
local glob = require("lib.core.glob")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local stored = require("lib.core.stored")

local canceled_view = {}

local function present(value)
  return value or nil
end

-- Everything about a canceled job, in the form in which lib.job.view shows a job; `dependents` are
-- those that were canceled because of it.
function canceled_view.full(copy)
  local jid, record = copy.jid, copy.record
  local shown = { jid = jid, value = job_lib.pack(copy) }
  if record.apart then
    shown.data = redis.call("GET", keys.canceled_part(jid, "data")) or ""
  end
  if record.has_failure then
    shown.failure = stored.get(keys.canceled_part(jid, "failure"))
  end
  if record.has_progress then
    shown.progress = present(redis.call("GET", keys.canceled_part(jid, "progress")))
  end
  if record.spilled then
    shown.history = redis.call("LRANGE", keys.canceled_part(jid, "history"), -limits.call, -1)
  end
  local dependents = redis.call("SSCAN", keys.canceled_part(jid, "dependents"), 0,
    "COUNT", limits.call)[2]
  shown.dependents = { unpack(dependents, 1, limits.call) }
  return shown
end

local function has_tag(record, parts)
  for _, tag in ipairs(record.tags or {}) do
    if glob.matches(parts, tag) then
      return true
    end
  end
  return false
end

-- Whether a copy matches what is searched for: glob patterns by field.
local function matches(copy, wanted)
  local record = copy.record
  local values = { jid = copy.jid, queue = record.queue, klass = record.klass,
    by = record.canceled.by, reason = record.canceled.reason, user = record.user }
  for field, parts in pairs(wanted) do
    if field == "tag" and not has_tag(record, parts)
      or field ~= "tag" and not glob.matches(parts, values[field] or "") then
      return false
    end
  end
  return true
end

-- How many copies are older than the one that a cursor names; all of them without a cursor.
local function older_than(after)
  local key = keys.canceled_jobs()
  if not after then
    return redis.call("ZCARD", key)
  end
  local is_there = redis.call("ZSCORE", key, after[2]) == after[1]
  return cursor.rank(key, after) - (is_there and 1 or 0)
end

-- The copies that match among the `size` next ones, the newest first, and the cursor of the next
-- page, nil at the end.
function canceled_view.page(after, size, wanted)
  local older = older_than(after)
  local first, last = math.max(older - size, 0), older - 1
  local shown, rest = {}, nil
  local flat = last >= first
    and redis.call("ZRANGE", keys.canceled_jobs(), first, last, "WITHSCORES") or {}
  for i = #flat - 1, 1, -2 do
    local copy = canceled.find(flat[i])
    if copy and matches(copy, wanted) then
      shown[#shown + 1] = { jid = flat[i], value = job_lib.pack(copy) }
    end
  end
  if first > 0 and #flat > 0 then
    rest = { flat[2], flat[1] }
  end
  return shown, #flat / 2, rest
end

return canceled_view
