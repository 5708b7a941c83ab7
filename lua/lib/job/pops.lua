-- How often and when a job was popped, from its history.

local history = require("lib.job.history")
local keys = require("lib.core.keys")
local stored = require("lib.core.stored")

local pops = {}

-- The newest entries that are read of a history outside the record.
local MAX_SPILLED = 100
-- A packed history entry is an array that begins with its event, a short text.
local POPPED = "\166popped"

local function is_popped(packed)
  return string.sub(packed, 2, 1 + #POPPED) == POPPED
end

-- The newest packed entries of the history that are not in the record, oldest first.
local function spilled(job)
  return job.record.spilled and redis.call("LRANGE", keys.history(job.jid), -MAX_SPILLED, -1) or {}
end

-- How often the job was popped, as far as its history goes back.
function pops.count(job)
  local number = 0
  for _, entry in ipairs(history.entries(job.record)) do
    number = number + (entry[1] == "popped" and 1 or 0)
  end
  for _, packed in ipairs(spilled(job)) do
    number = number + (is_popped(packed) and 1 or 0)
  end
  return number
end

-- When the job was last popped, or nil.
function pops.last(job)
  local record = job.record
  if record.popped_at then
    return record.popped_at
  end
  local entries = history.entries(record)
  for i = #entries, 1, -1 do
    if entries[i][1] == "popped" then
      return entries[i][2]
    end
  end
  local older = spilled(job)
  for i = #older, 1, -1 do
    if is_popped(older[i]) then
      return (stored.unpack(older[i]) or {})[2] or 0
    end
  end
  return nil
end

return pops
