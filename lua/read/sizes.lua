-- sizes(now, sources) -> the number of jobs in each index
-- Counts the jobs that a search would look through, by sources as read/search takes them.
-- Errors: BADARG
-- Events: none

local search = require("lib.search.search")
local session = require("lib.core.session")

local now, sources = unpack(ARGV)
local read = search.read_sources(sources, search.SIZES)
local s = session.read(now)

return cmsgpack.pack(search.sizes(s, read))
