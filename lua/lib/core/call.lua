-- What differs from one call to the next. A library lives as long as its server, so its modules
-- hold constants and functions only; `begin` sets every field of this table before each call.

local errors = require("lib.core.errors")

local call = {}

-- No script takes more arguments. Lua itself fails at some thousands, in the line that unpacks
-- them.
local ARGUMENTS = 200

-- The first key ends with ":meta", and the second, in a database other than 0, with ":db" and its
-- number: so that both fit the pattern of the keys of a namespace, as access rules have it.
-- `database` is "" in database 0.
function call.begin(declared, arguments, is_query)
  local namespace = string.match(declared[1], "^(.+):meta$") or declared[1]
  call.namespace = namespace
  call.database = declared[2] and string.sub(declared[2], #namespace + 1) or ""
  call.is_query = is_query
  if #arguments > ARGUMENTS then
    errors.bad("a call has at most " .. ARGUMENTS .. " arguments")
  end
end

return call
