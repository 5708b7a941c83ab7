-- complete_many(now, request, leases, result...) -> list of "complete" or "CODE detail"
-- Ends up to 100 running jobs, [jid, lease] each, every one answered for itself; the result of the
-- i-th is the i-th argument after leases, empty for none.
-- Errors: BADARG TOOLARGE
-- Events: completed put
-- Flags: allow-oom

local check = require("lib.check")
local completion = require("lib.completion")
local job_lib = require("lib.job")
local lease_lib = require("lib.lease")
local session = require("lib.session")

local now, request, leases = unpack(ARGV, 1, 3)
local held, jids = lease_lib.check_all(leases, 1)

local s, again = session.open(now, request, "config:jobs-history", "config:jobs-history-count")
if again then
  return again
end
local results = { unpack(ARGV, 4) }
for i = 1, #jids do
  check.data(s, results[i])
end

local answers = {}
for i, job in ipairs(job_lib.find_all(jids)) do
  local code, detail = lease_lib.refusal(job, jids[i], held[i][2])
  if code then
    answers[i] = code .. " " .. detail
  else
    completion.leave(s, job, "", results[i])
    completion.finish(s, job)
    answers[i] = "complete"
  end
end
completion.after(s, #jids)

return session.close(s, answers)
