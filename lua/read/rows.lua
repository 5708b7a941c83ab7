-- rows(now, jids, most) -> list of views, false where there is none
-- Shows up to 100 jobs as lists do, in the order given: with at most `most` bytes of each of data,
-- result and progress. In a view `cut` has the lengths of those that are longer, and `popped`, how
-- often the job was popped, stands for the history outside the record.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local session = require("lib.core.session")
local view = require("lib.job.view")

local now, jids, most = unpack(ARGV)
local names = check.packed_names("jids", jids, 0)
local bytes = view.read_most(most)
session.read(now)

local shown = {}
for i, jid in ipairs(names) do
  shown[i] = view.row_of(jid, bytes)
end

return cmsgpack.pack(shown)
