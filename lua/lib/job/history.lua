-- The history of a job: what happened to it, oldest first, as entries {event, time, details}. A
-- record has it as text, `history`, the packed entries one after the other, and their number,
-- `entries`. A long history continues in a list of its own; the record then has the first entry and
-- the last few, and `spilled`.

local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local stored = require("lib.core.stored")

local history = {}

-- The entries in the record; none if they cannot be read.
function history.entries(record)
  local entries = { pcall(cmsgpack.unpack, record.history or "") }
  return table.remove(entries, 1) and entries or {}
end

-- Sets the entries in the record.
function history.set(record, entries)
  local packed = {}
  for i, entry in ipairs(entries) do
    packed[i] = cmsgpack.pack(entry)
  end
  record.history, record.entries = table.concat(packed), #packed
end

-- Moves the middle of the history, all but the first and the newest `kept` entries, to the list,
-- and trims that to what the limit leaves room for.
local function spill(job, limit, kept)
  local packed, rest = {}, {}
  local entries = history.entries(job.record)
  for i, entry in ipairs(entries) do
    if i == 1 or i > #entries - kept then
      rest[#rest + 1] = entry
    else
      packed[#packed + 1] = cmsgpack.pack(entry)
    end
  end
  history.set(job.record, rest)
  if not packed[1] then
    return
  end
  local key = keys.history(job.jid)
  redis.call("RPUSH", key, unpack(packed))
  if limit > 0 then
    redis.call("LTRIM", key, 1 - limit, -1)
  end
  job.record.spilled = true
end

-- Entries in the list that the limit still covers, packed, oldest first.
function history.spilled(job, s)
  if not job.record.spilled then
    return {}
  end
  local room = s.history_limit - job.record.entries
  if s.history_limit > 0 and room <= 0 then
    return {}
  end
  return redis.call("LRANGE", keys.history(job.jid), s.history_limit > 0 and -room or 0, -1)
end

-- The entries in the record and, behind the first of them, packed ones from the list.
function history.with_spilled(record, spilled)
  local entries = history.entries(record)
  local all = { entries[1] }
  for _, packed in ipairs(spilled) do
    all[#all + 1] = stored.unpack(packed)
  end
  for i = 2, #entries do
    all[#all + 1] = entries[i]
  end
  return all
end

-- Moves the entries of the list back into the record, as far as the limit covers them. It has
-- become small enough for the record.
local function restore_spilled(job, s)
  history.set(job.record, history.with_spilled(job.record, history.spilled(job, s)))
  redis.call("DEL", keys.history(job.jid))
  job.record.spilled = nil
end

-- Removes entries behind the first one until the record has `most`.
local function shorten(record, most)
  local entries = history.entries(record)
  while #entries > most and #entries > 1 do
    table.remove(entries, 2)
  end
  history.set(record, entries)
end

-- An entry as it is stored: for `append`.
function history.entry(s, what, details, at)
  return cmsgpack.pack({ what, at or s.now, details })
end

-- Adds an entry. The first entry stays for ever; of the others the newest are kept.
function history.append(job, s, entry)
  local record, limit = job.record, s.history_limit
  local is_short = limit > 0 and limit <= limits.history
  if is_short and record.spilled then
    restore_spilled(job, s)
  end
  local number = (record.entries or 0) + 1
  record.history, record.entries = (record.history or "") .. entry, number
  if is_short then
    if number > limit then
      shorten(record, limit)
    end
  elseif number > limits.history then
    spill(job, limit, 3)
  end
end

-- Adds an entry made of what happened, details and the time, which is now if none is given.
function history.add(job, s, what, details, at)
  history.append(job, s, history.entry(s, what, details, at))
end

-- Adds an entry that may be large directly to the list.
function history.add_large(job, s, what, details)
  history.add(job, s, what, details)
  if job.record.entries > 1 and (s.history_limit <= 0 or s.history_limit > limits.history) then
    spill(job, s.history_limit, 0)
  end
end

local RUNS_AGAIN = { retried = true, crashed = true, ["timed-out"] = true }
local BEGINS_ANEW = { put = true, done = true, failed = true }

-- The entry of the last run that ended so that the job runs again, as far as it is among the last
-- few entries, or nil.
function history.last_attempt(job)
  local record = job.record
  local spilled = record.spilled and redis.call("LRANGE", keys.history(job.jid), -5, -1) or {}
  local entries = history.with_spilled(record, spilled)
  for i = #entries, 2, -1 do
    if RUNS_AGAIN[entries[i][1]] then
      return entries[i]
    elseif BEGINS_ANEW[entries[i][1]] then
      return nil
    end
  end
  return nil
end

-- The first line of an error, cut to what the history keeps of it; nil without one.
function history.error_line(text)
  local line = text and string.match(text, "[^\r\n]+")
  if not line or #line <= limits.error_line then
    return line
  end
  -- The cut may have split a character.
  return (string.gsub(string.sub(line, 1, limits.error_line), "[\192-\255][\128-\191]*$", ""))
end

return history
