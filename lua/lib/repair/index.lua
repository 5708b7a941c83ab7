-- Repairs indexes: removes entries that no job claims, and counts sums again.

local batches = require("lib.batch.batches")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local lists = require("lib.core.lists")
local repair_admission = require("lib.repair.admission")

local repair_index = {}

-- The number of jobs of a tag; a tag without jobs is not listed.
function repair_index.tag(_, tag)
  local number = redis.call("ZCARD", keys.tag(tag))
  if number == 0 then
    redis.call("ZREM", keys.tags(), tag)
  else
    redis.call("ZADD", keys.tags(), number, tag)
  end
end

-- A failure group is listed, with its last failure, while it has jobs.
function repair_index.group(_, group)
  local last = redis.call("ZREVRANGE", keys.failed_group(group), 0, 0, "WITHSCORES")[2]
  if last then
    redis.call("ZADD", keys.failed(), last, group)
  else
    redis.call("ZREM", keys.failed(), group)
  end
end

function repair_index.tracking()
  redis.call("HSET", keys.meta(), "tracking", redis.call("ZCARD", keys.tracked()))
end

-- Counts the members again; a closed batch without any is finished.
function repair_index.batch(s, name)
  local key = keys.batch_record(name)
  if redis.call("EXISTS", key) == 0 then
    redis.call("ZREM", keys.batches(), name)
    redis.call("UNLINK", keys.batch_data(name), keys.canceled(name), keys.inner(name))
    return
  end
  local found = redis.call("HMGET", key, "completed", "failed", "canceled")
  local total = redis.call("SCARD", keys.members(name)) + redis.call("SCARD", keys.inner(name))
  for i = 1, 3 do
    total = total + (tonumber(found[i]) or 0)
  end
  redis.call("HSET", key, "total", string.format("%.0f", total))
  redis.call("ZADD", keys.batches(), "NX", s.now, name)
  batches.finish_if_done(s, name)
end

local OUTCOMES = { complete = "completed", failed = "failed" }

local function left_batch(s, name, job)
  local outcome = job and OUTCOMES[job.record.state] or "canceled"
  if redis.call("EXISTS", keys.batch_record(name)) == 1 then
    redis.call("HINCRBY", keys.batch_record(name), outcome, 1)
    repair_index.batch(s, name)
  end
end

local function in_queue(state, other)
  return function(record, name)
    return (record.state == state or record.state == other) and record.queue == name
  end
end

local function field(which)
  return function(record, name)
    return record[which] == name
  end
end

local function is_shared(record, queue)
  return record.user and in_queue("waiting", "stalled")(record, queue)
end

local INDEXES = {
  waiting = {
    key = keys.waiting,
    claims = function(record, queue)
      return not record.user and in_queue("waiting", "stalled")(record, queue)
    end,
  },
  shared = { key = keys.shared, claims = is_shared },
  lane = {
    key = repair_admission.key,
    claims = repair_admission.is_of,
    after = repair_admission.left,
  },
  throttled = { key = keys.throttled, claims = in_queue("throttled") },
  parked = { key = keys.parked, claims = field("gate") },
  holders = {
    key = keys.holders,
    claims = repair_admission.holds,
    after = repair_admission.slot_returned,
  },
  excused = { key = keys.excused, claims = repair_admission.is_excused },
  scheduled = { key = keys.scheduled, claims = in_queue("scheduled") },
  depends = { key = keys.depends, claims = in_queue("depends") },
  running = { key = keys.running, claims = in_queue("running") },
  worker = { key = keys.worker_jobs, claims = field("worker") },
  group = { key = keys.failed_group, claims = field("group"), after = repair_index.group },
  tag = {
    key = keys.tag,
    claims = function(record, tag)
      return lists.contains(record.tags, tag)
    end,
    after = repair_index.tag,
  },
  complete = {
    key = keys.complete,
    claims = function(record)
      return record.state == "complete"
    end,
  },
  tracked = {
    key = keys.tracked,
    claims = function(record)
      return record.tracked
    end,
    after = repair_index.tracking,
  },
  batch = {
    key = keys.members,
    verb = "SREM",
    claims = function(record, name)
      return record.batch == name and not OUTCOMES[record.state]
    end,
    after = left_batch,
  },
}

-- Removes a nested batch from the outer one, unless that waits for it.
local function stray_batch(s, outer, inner)
  local found = redis.call("HMGET", keys.batch_record(inner), "within", "counted")
  if not (found[1] == outer and not found[2]) then
    redis.call("SREM", keys.inner(outer), inner)
    repair_index.batch(s, outer)
  end
end

-- Indexes whose members are an order followed by a jid.
local BY_ORDER = { waiting = true, shared = true, lane = true }

local function is_claimed(known, name, member, jid)
  local job = job_lib.find(jid)
  local claimed = job and known.claims(job.record, name)
    and (jid == member or job.record.order .. jid == member)
  return claimed, job
end

-- Removes an entry from an index unless its job claims it.
function repair_index.stray(s, name, member, index)
  local known = INDEXES[index]
  if index == "inner" then
    stray_batch(s, name, member)
  elseif known then
    local jid = BY_ORDER[index] and string.sub(member, 13) or member
    local claimed, job = is_claimed(known, name, member, jid)
    if not claimed then
      redis.call(known.verb or "ZREM", known.key(name), member)
    end
    if not claimed and known.after then
      known.after(s, name, job)
    end
  end
end

return repair_index
