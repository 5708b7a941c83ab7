-- config(now) -> map of option to text
-- Shows all options, defaults included.
-- Errors: BADARG
-- Events: none

local config = require("lib.core.config")
local keys = require("lib.core.keys")
local session = require("lib.core.session")

local now = unpack(ARGV)
session.read(now)

local options = {}
for option, value in pairs(config.DEFAULTS) do
  options[option] = value
end
local flat = redis.call("HGETALL", keys.meta())
for i = 1, #flat, 2 do
  local option = string.match(flat[i], "^config:(.*)$")
  if option then
    options[option] = flat[i + 1]
  end
end

return cmsgpack.pack(options)
