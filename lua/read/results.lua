-- results(now, jids) -> list of [jid, codec, result]
-- Shows the results of up to 100 jobs, leaving out jobs without one. A result that dependents still
-- need can be read even when its job has been deleted.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local job_lib = require("lib.job.job")
local session = require("lib.core.session")

local now, jids = unpack(ARGV)
local names = check.packed_names("jids", jids, 0)
session.read(now)

local found = {}
for _, jid in ipairs(names) do
  local codec, result = job_lib.get_result(jid)
  if codec then
    found[#found + 1] = { jid, codec, result }
  end
end

return cmsgpack.pack(found)
