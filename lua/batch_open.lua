-- batch_open(now, request, batch, options, data...) -> batch
-- Opens a batch. Its callbacks are jobs that are put when it finishes (on_complete), when it
-- finishes with all members completed (on_success), and when the first member fails (on_failure).
-- With an owner, a running job, it closes when that ends, and the same owner may open it again,
-- which changes nothing. With within it is nested in another batch, as a member of that. data is
-- the position of the data that the batch remembers.
-- Errors: BADARG TOOLARGE EXISTS NOJOB LOSTLEASE FINISHED NOBATCH BATCHCLOSED
-- Events: none
-- Flags: none

local batches = require("lib.batch.batches")
local check = require("lib.core.check")
local errors = require("lib.core.errors")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local lease_lib = require("lib.job.lease")
local limits = require("lib.core.limits")
local put = require("lib.job.put")
local session = require("lib.core.session")

local now, request, batch, options = unpack(ARGV, 1, 4)
local data = { unpack(ARGV, 5) }
check.name("batch", batch)
local given = check.options("options", options, { owner = true, lease = true, on_success = true,
  on_complete = true, on_failure = true, within = true, data = true })
check.name("within", given.within or "none")

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local owner = given.owner and lease_lib.load(given.owner, given.lease)

-- The data argument at a position that an option gives.
local function data_of(name, position)
  return check.given(name .. " data", data[check.count(name .. " data", position, 1, 4)])
end

-- The fields of the job that a callback will put.
local function callback(name)
  local spec = check.map(name, given[name], require("lib.job.put_checks").fields())
  spec.data = data_of(name, spec.data)
  return cmsgpack.pack(put.check_later(s, spec))
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
local remembered = given.data ~= nil and check.data(s, data_of("batch", given.data))
local known = redis.call("HMGET", keys.batch_record(batch), "opened_at", "owner")
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

-- The end of the owner closes its batches in one call, so their number is bounded. Those that are
-- closed by now need no owner.
local function require_room()
  local owns = owner and owner.record.owns or {}
  if #owns < limits.owned then
    return
  end
  local open = {}
  for _, name in ipairs(owns) do
    local state = redis.call("HMGET", keys.batch_record(name), "opened_at", "closed_at")
    if state[1] and not state[2] then
      open[#open + 1] = name
    end
  end
  if #open >= limits.owned then
    errors.bad("a job owns at most " .. limits.owned .. " open batches; close some of them")
  end
  owner.record.owns = open
end

-- When a nested batch finishes it takes a call to count it in the outer one, so the depth is
-- bounded.
local function require_outer()
  local outer, depth = given.within, 0
  if outer then
    batches.require_open(outer, given.owner)
  end
  while outer do
    depth = depth + 1
    if depth > limits.nesting then
      errors.bad("batches can be nested at most " .. limits.nesting .. " deep")
    end
    outer = redis.call("HGET", keys.batch_record(outer), "within")
  end
end

local function make()
  require_outer()
  require_room()
  redis.call("HSET", keys.batch_record(batch), unpack(fields))
  redis.call("ZADD", keys.batches(), s.now, batch)
  if remembered then
    redis.call("SET", keys.batch_data(batch), remembered)
  end
  if given.within then
    batches.nest(batch, given.within)
  end
  own()
end

if not known[1] then
  make()
end

return session.close(s, batch)
