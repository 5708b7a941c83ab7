-- config_unset(now, request, option) -> true
-- Resets an option to its default.
-- Errors: BADARG BADCONFIG
-- Events: config_unset
-- Flags: allow-oom

local check = require("lib.core.check")
local event_stream = require("lib.core.event_stream")
local keys = require("lib.core.keys")
local klasses = require("lib.stats.klasses")
local session = require("lib.core.session")

local now, request, option = unpack(ARGV)
check.name("option", option)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end

if option == "event-stream" then
  event_stream.refuse_webhooks()
end

redis.call("HDEL", keys.meta(), "config:" .. option)
if option == "event-stream" then
  event_stream.switch(s, 0)
elseif option == "klass-stats" then
  klasses.switch(0)
end
session.publish(s, "log", '{"event":"config_unset","option":"' .. option .. '"}')

return session.close(s, true)
