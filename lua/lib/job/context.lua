-- The context of a job, a small map of text that travels with it: W3C trace context, baggage. It is
-- for workers, and opaque here, except that a batch collects the origins of its members for its
-- callbacks.

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")

local context = {}

-- Refuses what no header could carry: names of other characters, values with control characters.
function context.check(what, value)
  local size = 0
  for name, text in pairs(check.map(what, value)) do
    if #name > 64 or not string.find(name, "^[%w_.-]+$") then
      errors.bad(what .. " holds a name that is not 1 to 64 letters, digits and _.-")
    elseif type(text) ~= "string" or not string.find(text, "^[\32-\126]*$") then
      errors.bad(what .. " holds " .. name .. ", which is not printable ASCII text")
    end
    size = size + #name + #text
  end
  if size > limits.context then
    errors.bad(what .. " has " .. size .. " bytes; the limit is " .. limits.context)
  end
end

-- Sets the context of a put; an empty one removes that of an earlier put.
function context.set(record, given)
  record.context = next(given) and given or nil
end

-- Adds the origin of a member, the trace context of its put, to those that a batch collects. Jobs
-- that were put together have one origin.
function context.collect(batch, record)
  local origin = type(record.context) == "table" and record.context.traceparent
  if not origin or #origin > limits.origin then
    return
  end
  local key = keys.batch_record(batch)
  local known = redis.call("HGET", key, "origins") or ""
  local _, number = string.gsub(known, "%S+", "")
  if number < limits.origins and not string.find(known, origin, 1, true) then
    redis.call("HSET", key, "origins", known == "" and origin or known .. " " .. origin)
  end
end

return context
