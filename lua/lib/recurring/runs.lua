-- The last runs of a recurring job, oldest first, in its record. A run is {number of the child, its
-- time}. Ticks at which no child was put because the one before had not ended are one run with the
-- number 0, the last such tick, and how many there were in a row.

local limits = require("lib.core.limits")

local runs = {}

function runs.add(record, number, tick)
  local list = record.runs or {}
  if #list >= limits.runs then
    table.remove(list, 1)
  end
  list[#list + 1] = { number, tick }
  record.runs = list
end

function runs.add_skipped(record, tick)
  local list = record.runs or {}
  local last = list[#list]
  if last and last[1] == 0 then
    last[2], last[3] = tick, last[3] + 1
    return
  end
  runs.add(record, 0, tick)
  record.runs[#record.runs][3] = 1
end

return runs
