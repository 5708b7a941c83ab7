-- jobs(now, jids) -> list of views, false where there is none
-- Shows up to 100 jobs, in the order given.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local session = require("lib.core.session")
local view = require("lib.job.view")

local now, jids = unpack(ARGV)
local names = check.packed_names("jids", jids, 0)
local s = session.read(now)

local shown = {}
for i, jid in ipairs(names) do
  shown[i] = view.of(s, jid)
end

return cmsgpack.pack(shown)
