-- klasses(now) -> [klass, counters, klass, counters …]
-- Lists the counters of klasses, each packed as it is stored: started, completed, failed, retried,
-- and run, the milliseconds that completed jobs ran. Without the option klass-stats there are none.
-- Errors: BADARG
-- Events: none

local keys = require("lib.core.keys")
local session = require("lib.core.session")

local now = unpack(ARGV)
session.read(now)

return cmsgpack.pack(redis.call("HGETALL", keys.klasses()))
