-- The reply to a pop that was sent again: the jobs that it leased, in their present state. A job
-- whose lease was lost in between is left out.

local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local lease = require("lib.job.lease")
local stored = require("lib.core.stored")
local view = require("lib.job.view")

local resent_pop = {}

local function shown(job)
  local expires_at = redis.call("ZSCORE", keys.running(job.record.queue), job.jid)
  return view.brief(job, job_lib.pack(job), tonumber(expires_at))
end

-- `memory` is the reply itself, or {held, next, more, wake} with pairs of jid and lease.
function resent_pop.reply(memory)
  local reply = stored.unpack(memory) or {}
  if not reply.held then
    return memory
  end
  reply.jobs = {}
  for _, pair in ipairs(reply.held) do
    local job = job_lib.find(pair[1])
    if not lease.refusal(job, pair[1], pair[2]) then
      reply.jobs[#reply.jobs + 1] = shown(job)
    end
  end
  reply.held = nil
  return cmsgpack.pack(reply)
end

return resent_pop
