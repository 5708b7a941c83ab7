-- The one way in which a script refuses a call: the error `CODE detail`, raised before the first
-- write.

local errors = {}

function errors.raise(code, detail)
  error({ err = code .. " " .. detail })
end

function errors.bad(detail)
  errors.raise("BADARG", detail)
end

function errors.no_job(jid)
  errors.raise("NOJOB", "Job " .. jid .. " does not exist")
end

return errors
