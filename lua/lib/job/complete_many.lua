-- Completes many jobs at once that nothing else depends on, by a few Redis commands for all of them
-- instead of six for each. Jobs with dependents, batches or the like go through lib.job.completion.

local completion = require("lib.job.completion")
local events = require("lib.core.events")
local history = require("lib.job.history")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local leave_state = require("lib.job.leave_state")
local stats = require("lib.stats.stats")

local complete_many = {}

-- The end of a job with any of these fields means more than leaving its worker.
local HANGING = { "batch", "followups", "keep", "parents", "owns", "unique", "user", "throttles",
  "excused", "has_failure" }

local function is_plain(record)
  for i = 1, #HANGING do
    if record[HANGING[i]] then
      return false
    end
  end
  return true
end

-- The jobs that can be completed together; none when any of them has dependents.
function complete_many.choose(jobs)
  local chosen, dependents = {}, {}
  for _, job in ipairs(jobs) do
    if is_plain(job.record) then
      chosen[#chosen + 1] = job
      dependents[#dependents + 1] = keys.dependents(job.jid)
    end
  end
  if #chosen == 0 or redis.call("EXISTS", unpack(dependents)) > 0 then
    return {}
  end
  return chosen
end

local function add(lists, name, jid)
  local list = lists[name]
  if not list then
    list = {}
    lists[name] = list
  end
  list[#list + 1] = jid
end

-- Takes the jobs from their queues and workers.
local function leave(s, by_queue, by_worker)
  for queue, jids in pairs(by_queue) do
    redis.call("ZREM", keys.running(queue), unpack(jids))
    leave_state.queue_slot_returned(s, queue)
    stats.add(s, queue, "completed", #jids)
  end
  for worker, jids in pairs(by_worker) do
    redis.call("ZREM", keys.worker_jobs(worker), unpack(jids))
  end
end

-- Completes the jobs; `results` holds the result of each by jid, "" for none.
function complete_many.complete(s, jobs, results)
  local by_queue, by_worker, values, ended = {}, {}, {}, {}
  local entry = history.entry(s, "done")
  for _, job in ipairs(jobs) do
    local jid, record = job.jid, job.record
    local queue, worker = record.queue, record.worker
    stats.add_duration(s, queue, record.klass, "run", s.now - record.popped_at)
    add(by_queue, queue, jid)
    add(by_worker, worker, jid)
    history.append(job, s, entry)
    leave_state.clear_run(record)
    completion.end_record(s, record)
    job_lib.set_result(job, results[jid])
    values[#values + 1], values[#values + 2] = keys.job(jid), job_lib.pack(job)
    ended[#ended + 1], ended[#ended + 2] = s.now_text, jid
    events.tracked(s, "completed", job)
    events.log(s, "completed", jid, queue, record.has_result and ',"result":true' or nil,
      record.klass, worker)
  end
  leave(s, by_queue, by_worker)
  redis.call("ZADD", keys.complete(), unpack(ended))
  redis.call("MSET", unpack(values))
end

return complete_many
