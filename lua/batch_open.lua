-- batch_open(now, request, batch, options, data...) -> batch
-- Opens a batch; its call-backs are jobs that are put when it ends (on_complete), when all members
-- completed (on_success), when the first one failed (on_failure). It closes with its owner, a
-- running job. The same owner may open it again, which changes nothing.
-- Errors: BADARG TOOLARGE EXISTS NOJOB LOSTLEASE FINISHED
-- Events: none
-- Flags: none

local batches = require("lib.batches")
local check = require("lib.check")
local errors = require("lib.errors")
local job_lib = require("lib.job")
local keys = require("lib.keys")
local lease_lib = require("lib.lease")
local session = require("lib.session")
local submission = require("lib.submission")

local now, request, batch, options = unpack(ARGV, 1, 4)
check.name("batch", batch)
local given = check.options("options", options, { owner = true, lease = true, on_success = true,
  on_complete = true, on_failure = true })

local s, again = session.open(now, request)
if again then
  return again
end
local owner = given.owner and lease_lib.load(given.owner, given.lease)

-- The call-back as it will be put: its data is the argument that it names by position.
local function callback(name)
  local spec = check.map(name, given[name], require("lib.options").fields())
  local position = check.count(name .. " data", spec.data, 1, 3)
  spec.data = check.given(name .. " data", ARGV[4 + position])
  return cmsgpack.pack(submission.check_later(s, spec))
end

local function fields_of_batch()
  local fields = { "opened_at", string.format("%.0f", s.now) }
  for _, name in ipairs(batches.CALLBACKS) do
    if given[name] ~= nil then
      fields[#fields + 1], fields[#fields + 2] = name, callback(name)
    end
  end
  if owner then
    fields[#fields + 1], fields[#fields + 2] = "owner", owner.jid
  end
  return fields
end

local fields = fields_of_batch()
local known = redis.call("HMGET", keys.batch(batch), "opened_at", "owner")
if known[1] and not (owner and known[2] == owner.jid) then
  errors.raise("EXISTS", "Batch " .. batch .. " already exists")
end

local function own()
  if owner then
    local owns = owner.record.owns or {}
    owns[#owns + 1] = batch
    owner.record.owns = owns
    job_lib.save(owner)
  end
end

if not known[1] then
  redis.call("HSET", keys.batch(batch), unpack(fields))
  redis.call("ZADD", keys.batches(), s.now, batch)
  own()
end

return session.close(s, batch)
