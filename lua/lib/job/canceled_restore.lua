-- Restores canceled jobs from their copies: in their queues with their age, their retries left and
-- their options, or failed as they were.

local canceled = require("lib.job.canceled")
local history = require("lib.job.history")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local lists = require("lib.core.lists")
local queue_lib = require("lib.queue.queue")
local restore = require("lib.job.restore")
local stored = require("lib.core.stored")

local canceled_restore = {}

-- Fields that are the same in a record and in what lib.job.restore reads.
local SAME = { "klass", "queue", "retries", "priority", "user", "throttles", "costs", "tags",
  "batch", "keep", "expires", "soft_limit", "hard_limit", "retry", "context", "codec", "unique",
  "put_at", "left", "crashes", "stalls", "tries", "spawned_from", "policies", "waits" }
-- A jid that is remembered may be used, since this is the job that it is remembered for; a unique
-- key that another job holds may not.
local CONFLICTS = { on_conflict = "replace", unique_conflict = "raise" }

local function part(jid, name)
  return keys.canceled_part(jid, name)
end

-- The history, oldest first: the first entry and as many of the newest as a restored job can have.
local function history_of(copy)
  local record = copy.record
  local spilled = record.spilled
    and redis.call("LRANGE", part(copy.jid, "history"), record.entries - limits.call, -1)
  local all = history.with_spilled(record, spilled or {})
  local how = record.canceled
  all[#all + 1] = { "canceled", how.at, { by = how.by, reason = how.reason } }
  while #all > limits.call do
    table.remove(all, 2)
  end
  return all
end

-- Sets what depends on the state that the job was in.
local function set_state(spec, record)
  if record.state == "failed" then
    spec.state, spec.ended_at = "failed", record.failed_at
  else
    spec.at = record.due
    spec.eligible_at = record.order and queue_lib.eligible_at(record) or nil
  end
end

-- The last failure, without those before it.
local function failure_of(copy)
  local failure = copy.record.has_failure and stored.get(part(copy.jid, "failure"))
  return failure and { group = failure.group, message = failure.message, when = failure.when,
    worker = failure.worker } or nil
end

local function spec_of(copy)
  local record, spec = copy.record, { jid = copy.jid }
  for _, name in ipairs(SAME) do
    spec[name] = record[name]
  end
  set_state(spec, record)
  spec.history = history_of(copy)
  spec.failure = failure_of(copy)
  if record.policies then
    spec.depends = {}
    for parent in pairs(record.policies) do
      spec.depends[#spec.depends + 1] = parent
    end
  end
  return spec
end

-- Why the job cannot be restored, or nil, as far as that is not found out by lib.job.restore.
local function refusal(jid, copy)
  if not copy then
    return "NOJOB No canceled job has the jid " .. jid
  elseif redis.call("EXISTS", keys.job(jid)) == 1 then
    return "EXISTS Job " .. jid .. " exists again"
  end
  for _, parent in ipairs(copy.record.waits or {}) do
    if redis.call("EXISTS", keys.job(parent)) == 0
      and redis.call("ZSCORE", keys.canceled_jobs(), parent) then
      return "WRONGSTATE Job " .. jid .. " waits for " .. parent
        .. ", which is canceled: restore that first, or both together"
    end
  end
  return nil
end

-- The plan of a job, or nil and why it is refused.
local function plan_of(s, copy)
  local data = copy.record.apart and redis.call("GET", part(copy.jid, "data")) or copy.data
  local is_fine, found = pcall(restore.check, s, { spec_of(copy) }, { data or "" }, CONFLICTS)
  if is_fine then
    return found, nil
  end
  -- The server's pcall returns the text of an error that is a table.
  local text = type(found) == "table" and found.err or found
  if not string.find(text, "^%u+ ") or string.find(text, "^ERR ") then
    error(found, 0)
  end
  return nil, text
end

-- Moves back what needs no check: the progress, and the failure with those before it.
local function move_back(copy)
  local jid = copy.jid
  if redis.call("EXISTS", part(jid, "failure")) == 1 then
    redis.call("RENAME", part(jid, "failure"), keys.failure(jid))
  end
  if redis.call("EXISTS", part(jid, "progress")) == 1 then
    redis.call("RENAME", part(jid, "progress"), keys.progress(jid))
    local job = job_lib.find(jid)
    job.record.has_progress = true
    job_lib.save(job)
  end
end

-- Restores one job; returns "done", or a code and detail.
function canceled_restore.one(s, jid)
  local copy = canceled.find(jid)
  local refused = refusal(jid, copy)
  if refused then
    return refused
  end
  -- Each job is written before the next is checked.
  require("lib.job.put").forget_plans(s)
  local plan, why = plan_of(s, copy)
  if not plan then
    return why
  end
  restore.apply(s, plan, 0)
  move_back(copy)
  canceled.forget(s, jid)
  return "done"
end

-- The jids with parents before the jobs that wait for them.
function canceled_restore.parents_first(jids)
  local listed, seen, ordered = lists.set(jids), {}, {}
  local function visit(jid)
    seen[jid] = true
    local copy = canceled.find(jid)
    for _, parent in ipairs(copy and copy.record.waits or {}) do
      if listed[parent] and not seen[parent] then
        visit(parent)
      end
    end
    ordered[#ordered + 1] = jid
  end
  for _, jid in ipairs(jids) do
    if not seen[jid] then
      visit(jid)
    end
  end
  return ordered
end

-- Restores jobs, each judged by itself; returns the answers in the order of `jids`.
function canceled_restore.run(s, jids)
  local answers, found = {}, {}
  for _, jid in ipairs(canceled_restore.parents_first(jids)) do
    found[jid] = canceled_restore.one(s, jid)
  end
  for i, jid in ipairs(jids) do
    answers[i] = found[jid]
  end
  return answers
end

return canceled_restore
