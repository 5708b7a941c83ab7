-- Decides whether a put takes effect by its unique key, and keeps in mind who holds which keys once
-- the earlier puts of the same call are written. Nothing here writes.

local errors = require("lib.core.errors")
local unique = require("lib.job.unique")

local key_conflict = {}

local READY = { waiting = true, stalled = true, throttled = true }

-- Whether the put may replace the key's holder: as long as that has not started. The job that held
-- a key for a window may be gone.
local function is_replaceable(holder)
  local state = holder.record and holder.record.state
  return holder.planned or (state and state ~= "running" and state ~= "complete")
end

-- Whether the holder gives up its key by this call, which completes it (s.ending_jid).
local function is_ending(s, holder)
  local own = holder and holder.jid == s.ending_jid and holder.record and holder.record.unique
  return own and own.scope ~= "window"
end

-- The job that holds the unique key, or will by an earlier put of the same call, or false.
local function holder_of(s, key)
  local planned = s.planned_unique_keys or {}
  s.planned_unique_keys = planned
  if planned[key] == nil then
    local holder = unique.holder(s, key)
    planned[key] = holder and not is_ending(s, holder) and holder or false
  end
  return planned[key]
end

-- What becomes of a key that the job had before: it is given up for another one, or kept, or taken
-- back if it is free.
local function plan_old_key(s, before, own, taken)
  local holder = holder_of(s, before.key)
  local holds = holder and holder.jid == taken.jid
  if holds then
    s.planned_unique_keys[before.key] = not own and taken
  elseif not holder and not own and before.scope ~= "window" then
    s.planned_unique_keys[before.key] = taken
  end
end

-- Records for later puts of the same call what a put that takes effect does to unique keys.
function key_conflict.plan(s, plan)
  local own, existing = plan.spec.unique, plan.existing
  local before = existing and existing.record.unique
  local taken = { jid = plan.spec.jid, planned = true, record = existing and existing.record }
  if before and not (own and own.key == before.key) then
    plan_old_key(s, before, own, taken)
  end
  if own then
    holder_of(s, own.key)
    s.planned_unique_keys[own.key] = taken
  end
end

-- Turns the put into one of the key's holder, which is replaced as by its jid. A holder that waits
-- in the same queue keeps its age, so it starts although it is replaced again and again.
local function replace_holder(plan, holder)
  local record = holder.record
  plan.spec.jid, plan.replaces_holder = holder.jid, true
  plan.existing = record and holder or false
  if record and not holder.planned and READY[record.state] and record.queue == plan.spec.queue then
    plan.eligible = require("lib.queue.queue").eligible_at(record)
  end
end

-- The key's holder, if the put does nothing because of it, or nil.
function key_conflict.decide(s, plan)
  local spec = plan.spec
  local holder = spec.unique and holder_of(s, spec.unique.key)
  if not holder or holder.jid == spec.jid then
    return nil
  end
  local policy = spec.unique_conflict or "ignore"
  if policy == "replace" and is_replaceable(holder) then
    replace_holder(plan, holder)
    return nil
  elseif policy == "raise" or (policy == "replace" and not s.lenient_puts) then
    errors.raise("EXISTS", "Job " .. holder.jid .. " holds the unique key " .. spec.unique.key)
  end
  return holder
end

return key_conflict
