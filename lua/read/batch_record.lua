-- batch_record(now, batch) -> {fields, data} or false
-- Shows a batch as it is stored, for an export: the fields of its record as text, its callbacks
-- packed, and the data that it remembers, if any.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local session = require("lib.core.session")

local now, batch = unpack(ARGV)
check.name("batch", batch)
session.read(now)

local flat = redis.call("HGETALL", keys.batch_record(batch))
local fields = {}
for i = 1, #flat, 2 do
  fields[flat[i]] = flat[i + 1]
end
local data = redis.call("GET", keys.batch_data(batch)) or nil

return cmsgpack.pack(fields.opened_at and { fields = fields, data = data } or false)
