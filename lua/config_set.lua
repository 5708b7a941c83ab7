-- config_set(now, request, option, value) -> true
-- Sets an option of the namespace; the values of known options are checked.
-- Errors: BADARG BADCONFIG
-- Events: config_set
-- Flags: allow-oom

local config = require("lib.core.config")
local event_stream = require("lib.core.event_stream")
local events = require("lib.core.events")
local keys = require("lib.core.keys")
local klasses = require("lib.stats.klasses")
local session = require("lib.core.session")

local now, request, option, value = unpack(ARGV)
config.check(option, value)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end

if option == "event-stream" and tonumber(value) == 0 then
  event_stream.refuse_webhooks()
end

redis.call("HSET", keys.meta(), "config:" .. option, value)
if option == "event-stream" then
  event_stream.switch(s, tonumber(value))
elseif option == "klass-stats" then
  klasses.switch(tonumber(value))
end
session.publish(s, "log", '{"event":"config_set","option":"' .. option .. '","value":'
  .. events.quoted(value) .. "}")

return session.close(s, true)
