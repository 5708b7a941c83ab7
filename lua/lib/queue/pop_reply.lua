-- The reply to a pop: a list of the packed reply and of the stored value of each of its jobs. A
-- value that is a string of its own need not be copied into a larger one.

local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local lease = require("lib.job.lease")
local stored = require("lib.core.stored")
local view = require("lib.job.view")

local pop_reply = {}

-- Takes the stored values out of the views; returns them behind an empty first place.
function pop_reply.take_values(jobs)
  local list = { "" }
  for i, shown in ipairs(jobs) do
    list[i + 1], shown.value = shown.value, nil
  end
  return list
end

local function shown(job)
  local expires_at = redis.call("ZSCORE", keys.running(job.record.queue), job.jid)
  return view.brief(job, job_lib.pack(job), tonumber(expires_at))
end

-- The reply to a pop that was sent again: the jobs that it leased, in their present state. A job
-- whose lease was lost in between is left out. `memory` is the packed reply of a pop without jobs,
-- or {held, next, more, wake} with pairs of jid and lease.
function pop_reply.again(memory)
  local reply = stored.unpack(memory) or {}
  if not reply.held then
    return { memory }
  end
  reply.jobs = {}
  for _, pair in ipairs(reply.held) do
    local job = job_lib.find(pair[1])
    if not lease.refusal(job, pair[1], pair[2]) then
      reply.jobs[#reply.jobs + 1] = shown(job)
    end
  end
  reply.held = nil
  local list = pop_reply.take_values(reply.jobs)
  list[1] = cmsgpack.pack(reply)
  return list
end

return pop_reply
