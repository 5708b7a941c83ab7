-- Completes many jobs at once that nothing else depends on, by a few Redis commands for all of them
-- instead of six for each. Jobs with dependents, batches or the like go through lib.job.completion.

local completion = require("lib.job.completion")
local events = require("lib.core.events")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local leave_state = require("lib.job.leave_state")
local stats = require("lib.stats.stats")

local complete_many = {}

-- The end of a job with any of these fields means more than leaving its worker.
local HANGING = { "batch", "followups", "keep", "parents", "owns", "unique", "user", "throttles",
  "excused", "has_failure" }

local function is_plain(record)
  for _, field in ipairs(HANGING) do
    if record[field] then
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

local function add(lists, key, jid)
  local list = lists[key]
  if not list then
    list = {}
    lists[key] = list
  end
  list[#list + 1] = jid
end

-- Completes the jobs; `results` holds the result of each by jid, "" for none.
function complete_many.complete(s, jobs, results)
  local held, values, ended, queues = {}, {}, {}, {}
  for _, job in ipairs(jobs) do
    local jid, record = job.jid, job.record
    local queue = record.queue
    stats.add_duration(s, queue, "run", s.now - record.popped_at)
    stats.add(s, queue, "completed", 1)
    stats.add_klass_duration(s, record.klass, "run", s.now - record.popped_at)
    add(held, keys.running(queue), jid)
    add(held, keys.worker_jobs(record.worker), jid)
    queues[queue] = true
    job_lib.add_history(job, s, "done")
    local worker = record.worker
    leave_state.clear_run(record)
    completion.end_record(s, record)
    job_lib.set_result(job, results[jid])
    values[#values + 1], values[#values + 2] = keys.job(jid), job_lib.pack(job)
    ended[#ended + 1], ended[#ended + 2] = s.now_text, jid
    events.tracked(s, "completed", job)
    events.log(s, "completed", jid, queue, record.has_result and ',"result":true' or nil,
      record.klass, worker)
  end
  for key, jids in pairs(held) do
    redis.call("ZREM", key, unpack(jids))
  end
  for queue in pairs(queues) do
    leave_state.queue_slot_returned(s, queue)
  end
  redis.call("ZADD", keys.complete(), unpack(ended))
  redis.call("MSET", unpack(values))
end

return complete_many
