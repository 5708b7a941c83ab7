-- outcomes(now, batch, jids) -> list of [state, failure group]
-- Shows the states of up to 100 jobs of a batch: "canceled" for a member that was canceled, "" for
-- any other job that does not exist, because it completed and was deleted or was never put.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local session = require("lib.core.session")

local now, batch, jids = unpack(ARGV)
check.name("batch", batch)
local names = check.packed_names("jids", jids, 0)
session.read(now)

local found = {}
for i, job in ipairs(job_lib.find_all(names)) do
  if job then
    found[i] = { job.record.state, job.record.group or "" }
  elseif redis.call("SISMEMBER", keys.canceled(batch), names[i]) == 1 then
    found[i] = { "canceled", "" }
  else
    found[i] = { "", "" }
  end
end

return cmsgpack.pack(found)
