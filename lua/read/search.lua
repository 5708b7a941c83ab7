-- search(now, source, after, scan, wanted, conditions) -> {jids, scanned, skipped, total, after}
-- Looks through one index from behind `after`, and gives jobs that meet all conditions. `after` of
-- the reply is where to go on; there is none at the end. `skipped` are jobs whose long data was not
-- looked into, because this call had read enough.
-- Errors: BADARG
-- Events: none

local check = require("lib.check")
local errors = require("lib.errors")
local limits = require("lib.limits")
local search = require("lib.search")
local session = require("lib.session")

local now, source, after, scan, wanted, conditions = unpack(ARGV)
local self = search.read(source, conditions)
local most = check.integer("scan", scan, 1, search.SCAN)
local number = check.integer("wanted", wanted, 1, limits.call)

local function position()
  if check.given("after", after) == "" then
    return nil
  end
  local pair = check.packed_list("after", after, 2, 2)
  check.text("member", pair[2], 256)
  local score = type(pair[1]) == "string" and #pair[1] <= 40 and tonumber(pair[1])
  if not score or score ~= score then
    errors.bad("after does not begin with a score")
  end
  return pair
end

local behind = position()
local s = session.read(now)

return cmsgpack.pack(search.run(s, self, behind, most, number))
