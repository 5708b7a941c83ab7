-- Repairs what connects jobs: parents and dependents, results kept for dependents, releases.

local dependencies = require("lib.job.dependencies")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local queue_lib = require("lib.queue.queue")

local repair_links = {}

-- Puts a job that waits for parents where it belongs; without any left it becomes ready.
function repair_links.place(s, job)
  local record = job.record
  if redis.call("EXISTS", keys.dependencies(job.jid)) == 1 then
    redis.call("ZADD", keys.depends(record.queue), "NX", record.put_at or s.now, job.jid)
    return
  end
  redis.call("ZREM", keys.depends(record.queue), job.jid)
  queue_lib.to_ready(s, job, record.queue, record.due, s.now)
end

local function is_open(parent)
  local found = job_lib.find(parent)
  return found and found.record.state ~= "complete"
end

local function waits(job)
  return job and (job.record.state == "depends" or job.record.state == "failed")
end

-- Only a job in the state depends, or one that failed from it, waits for parents.
function repair_links.settle(job)
  if waits(job) then
    return
  end
  for _, parent in ipairs(redis.call("SMEMBERS", keys.dependencies(job.jid))) do
    redis.call("ZREM", keys.dependents(parent), job.jid)
  end
  redis.call("DEL", keys.dependencies(job.jid))
end

local function cut(s, job, parent)
  redis.call("SREM", keys.dependencies(job.jid), parent)
  redis.call("ZREM", keys.dependents(parent), job.jid)
  if job.record.state == "depends" then
    repair_links.place(s, job)
    job_lib.save(job)
  end
end

-- Makes both ends of an edge agree: it stays while the dependent lists the parent and the parent
-- has not ended; otherwise it is removed.
function repair_links.edge(s, jid, parent)
  local job = job_lib.find(jid)
  if not waits(job) then
    redis.call("ZREM", keys.dependents(parent), jid)
    redis.call("SREM", keys.dependencies(jid), parent)
    return
  end
  local noted = redis.call("HGET", keys.parents(jid), parent)
  local waiting = redis.call("SISMEMBER", keys.dependencies(jid), parent) == 1
  if not is_open(parent) or not (noted or waiting) then
    cut(s, job, parent)
    return
  end
  local policy = string.match(noted or "", "^(%l+):%d+$") or "wait"
  dependencies.add_edges(s, job, { parent }, { parent }, policy)
  if job.record.state == "depends" then
    repair_links.place(s, job)
  end
  job_lib.save(job)
end

-- Releases the dependents of a job that has ended or is gone.
function repair_links.ended(s, parent)
  if not is_open(parent) then
    dependencies.release_dependents(s, parent, "complete")
  end
end

-- A result is kept only for jobs that still need it.
function repair_links.hold(_, parent, holder)
  local token = string.match(holder, "^release:(.+)$")
  local needed = token and redis.call("EXISTS", keys.release_record(token))
    or redis.call("HEXISTS", keys.parents(holder), parent)
  if needed == 0 then
    dependencies.drop_hold(parent, holder)
  end
end

-- A release is listed and will be drained; without a record it is deleted.
function repair_links.release(s, token)
  if redis.call("EXISTS", keys.release_record(token)) == 0 then
    redis.call("DEL", keys.release_dependents(token))
    redis.call("ZREM", keys.releases(), token)
    return
  end
  redis.call("ZADD", keys.releases(), "NX", s.now, token)
  queue_lib.set_due("releases", s.now)
end

return repair_links
