-- tracked(now, offset, count, most) -> {total, jobs, expired}
-- Shows tracked jobs, with `most` as `rows` does, with everything if it is empty; of those that are
-- gone only the jid (expired).
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local session = require("lib.core.session")
local view = require("lib.job.view")

local now, offset, count, most = unpack(ARGV)
local from = check.integer("offset", offset, 0, 2 ^ 52)
local size = check.integer("count", count, 0, limits.call)
local bytes = most ~= "" and view.read_most(most)
local s = session.read(now)

local shown, expired = {}, {}
local jids = size > 0 and redis.call("ZRANGE", keys.tracked(), from, from + size - 1) or {}
for _, jid in ipairs(jids) do
  local job = job_lib.find(jid)
  if job then
    shown[#shown + 1] = bytes and view.row(job, bytes) or view.full(s, job)
  else
    expired[#expired + 1] = jid
  end
end
local total = redis.call("ZCARD", keys.tracked())

return cmsgpack.pack({ total = total, jobs = shown, expired = expired })
