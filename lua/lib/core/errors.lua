-- The one way in which a script refuses a call: the error `CODE detail`, raised before the first
-- write.

local errors = {}

function errors.raise(code, detail)
  error({ err = code .. " " .. detail })
end

function errors.bad(detail)
  errors.raise("BADARG", detail)
end

-- A value from outside as part of a message: short, and printable in any terminal.
function errors.quoted(value)
  return '"' .. string.gsub(string.sub(tostring(value), 1, 64), "[^%w%p ]", "?") .. '"'
end

function errors.no_job(jid)
  errors.raise("NOJOB", "Job " .. jid .. " does not exist")
end

return errors
