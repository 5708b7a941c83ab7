-- Undoes the changes of a bulk action, which lib.job.undo_list remembers.

local canceled = require("lib.job.canceled")
local change = require("lib.job.change")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local stored = require("lib.core.stored")
local undo_list = require("lib.job.undo_list")

local undo = {}

local MOVABLE = { waiting = true, scheduled = true, depends = true, throttled = true,
  stalled = true }

local reverse = {}

-- Makes the reverse of a change to a job that must still exist.
local function of_job(change_back)
  return function(s, jid, before, after)
    local job = job_lib.find(jid)
    if not job then
      return "NOJOB Job " .. jid .. " does not exist"
    end
    return change_back(s, job, before, after)
  end
end

-- Restores the job, and after all others the jobs that were canceled because of it.
function reverse.cancel(s, jid, _, _, id)
  local dependents = redis.call("SSCAN", keys.canceled_part(jid, "dependents"), 0,
    "COUNT", limits.call)[2]
  local answer = require("lib.job.canceled_restore").one(s, jid)
  if answer == "done" and #dependents > 0 then
    local entries = {}
    for i = 1, math.min(#dependents, limits.call) do
      entries[i] = { "dependent", dependents[i] }
    end
    undo_list.append(s, id, entries)
  end
  return answer
end

-- One that is not canceled any more was restored otherwise.
function reverse.dependent(s, jid, _, _, id)
  return canceled.find(jid) and reverse.cancel(s, jid, nil, nil, id) or nil
end

reverse.move = of_job(function(s, job, from, to)
  if not MOVABLE[job.record.state] then
    return "WRONGSTATE Job " .. job.jid .. " is " .. job.record.state
  elseif job.record.queue ~= to then
    return "WRONGSTATE Job " .. job.jid .. " is in the queue " .. job.record.queue .. " now"
  end
  require("lib.job.revive").move(s, job, from)
  return "done"
end)

reverse.priority = of_job(function(_, job, before, set)
  if (job.record.priority or 0) ~= set then
    return string.format("WRONGSTATE Job %s has the priority %.14g now", job.jid,
      job.record.priority or 0)
  end
  change.set_priority(job, before)
  return "done"
end)

reverse.tag = of_job(function(_, job, tags)
  require("lib.job.tags").remove(job, tags)
  job_lib.save(job)
  return "done"
end)

reverse.untag = of_job(function(s, job, tags)
  local refused = require("lib.job.tags").refusal(job.record.tags, tags)
  if refused then
    return "BADARG " .. refused
  end
  require("lib.job.tags").add(s, job, tags)
  job_lib.save(job)
  return "done"
end)

-- Undoes the latest `size` changes that are left; returns a list of jid and answer.
function undo.run(s, id, size)
  local answers = {}
  for _, packed in ipairs(undo_list.take(id, size)) do
    local entry = stored.unpack(packed)
    local back = entry and reverse[entry[1]]
    local answer = back and back(s, entry[2], entry[3], entry[4], id)
    if answer then
      answers[#answers + 1] = { entry[2], answer }
    end
  end
  return answers
end

return undo
