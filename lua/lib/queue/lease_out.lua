-- Leases jobs out: marks jobs at the head of a queue as running, held by a worker under new leases.

local events = require("lib.core.events")
local history = require("lib.job.history")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local queue_lib = require("lib.queue.queue")
local session = require("lib.core.session")
local stats = require("lib.stats.stats")
local view = require("lib.job.view")

local lease_out = {}

-- Removes the jobs at the head of a queue; a member whose job is gone is dropped on the way.
local function remove_head(queue, count)
  local members = redis.call("ZRANGE", keys.waiting(queue), 0, count - 1)
  if #members == 0 then
    return members
  end
  local jids = {}
  for i, member in ipairs(members) do
    jids[i] = string.sub(member, 13)
  end
  redis.call("ZREM", keys.waiting(queue), unpack(members))
  return job_lib.find_all(jids)
end

local function start(s, job, to, entry)
  local record = job.record
  history.append(job, s, entry)
  local waited = s.now - queue_lib.eligible_at(record)
  stats.add_duration(s, record.queue, record.klass, "wait", waited)
  record.state, record.worker, record.popped_at = "running", to.worker, s.now
  record.lease = string.format("%d.%s", session.next(s), to.nonce)
  if record.unique then
    require("lib.job.unique").adjust(s, job)
  end
  events.tracked(s, "popped", job)
  events.record(s, "popped", job, ',"worker":"' .. to.worker .. '"')
end

-- Leases these jobs of one queue, which have left their state already. Appends their views to
-- `found`, and their jids and leases to `to.held`.
function lease_out.jobs(s, queue, jobs, to, found)
  local expires_at = s.now + to.length
  local expires_text = string.format("%.0f", expires_at)
  local entry = history.entry(s, "popped", { worker = to.worker })
  local values, scores = {}, {}
  for _, job in ipairs(jobs) do
    if job and not (job.record.expires and require("lib.job.expiry").fail_if_over(s, job)) then
      start(s, job, to, entry)
      local value = job_lib.pack(job)
      values[#values + 1], values[#values + 2] = keys.job(job.jid), value
      scores[#scores + 1], scores[#scores + 2] = expires_text, job.jid
      found[#found + 1] = view.brief(job, value, expires_at)
      to.held[#to.held + 1] = { job.jid, job.record.lease }
    end
  end
  if #values == 0 then
    return
  end
  redis.call("MSET", unpack(values))
  redis.call("ZADD", keys.running(queue), unpack(scores))
  redis.call("ZADD", keys.worker_jobs(to.worker), unpack(scores))
  queue_lib.set_due("leases:" .. queue, expires_text)
  stats.add(s, queue, "popped", #values / 2)
end

-- Leases at most `count` jobs of one queue in plain order.
function lease_out.in_order(s, queue, count, to, found)
  lease_out.jobs(s, queue, remove_head(queue, count), to, found)
end

return lease_out
