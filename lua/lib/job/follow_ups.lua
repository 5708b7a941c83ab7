-- The jobs that a running job leaves behind when it completes.

local completion = require("lib.job.completion")
local errors = require("lib.core.errors")
local job_lib = require("lib.job.job")
local put_many = require("lib.job.put_many")

local follow_ups = {}

-- Takes the follow-up with the jid of the job itself, if any, out of the lists. Returns it and its
-- position.
local function take_own(jid, specs, data)
  local own
  for i = #specs, 1, -1 do
    if type(specs[i]) == "table" and specs[i].jid == jid then
      if own then
        errors.bad("jid " .. jid .. " is put twice in one call")
      end
      own = { spec = table.remove(specs, i), data = table.remove(data, i), at = i }
    end
  end
  return own
end

-- Plans the next life of the job. It is put once the job is complete, so unlike other follow-ups it
-- replaces that job unless it says otherwise.
local function check_own(s, job, own)
  local spec = own.spec
  spec.on_conflict = spec.on_conflict or "replace"
  own.plan = put_many.check(s, { spec }, { own.data }, {}, { job })[1]
  own.stays = spec.batch ~= nil and spec.batch == job.record.batch
end

-- Checks the follow-ups; returns what `apply` needs.
function follow_ups.check(s, job, specs, data, moves_on)
  local plan = { own = take_own(job.jid, specs, data) }
  if plan.own and moves_on then
    errors.bad("a job that goes on to a next queue cannot put itself again")
  end
  plan.others = #specs > 0 and put_many.check(s, specs, data, { on_conflict = "ignore" }) or {}
  if plan.own then
    check_own(s, job, plan.own)
  end
  return plan
end

function follow_ups.apply(s, plan)
  return #plan.others > 0 and put_many.apply(s, plan.others) or {}
end

-- Completes the job, then puts it again if it is one of its own follow-ups; returns the replies to
-- all of them. Its batch counts the run as completed, or keeps the job as a member if the put names
-- the batch.
function follow_ups.finish(s, job, plan, replies)
  local own = plan.own
  local again = own and own.plan.spec.jid == job.jid and not own.plan.ignored
  if again and own.stays then
    job.record.batch = nil
  end
  completion.finish(s, job)
  if again and job.record.batch then
    job.record.batch = nil
    job_lib.save(job)
  end
  if own then
    table.insert(replies, own.at, put_many.apply(s, { own.plan })[1])
  end
  return replies
end

return follow_ups
