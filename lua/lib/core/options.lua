-- Changes the options of a namespace, and what they turn on or off.

local event_stream = require("lib.core.event_stream")
local events = require("lib.core.events")
local keys = require("lib.core.keys")
local klasses = require("lib.stats.klasses")
local limits = require("lib.core.limits")
local session = require("lib.core.session")

local options = {}

-- Refuses to turn off what is needed. Here and below, a value of nil is the default.
local function check(option, value)
  if option == "event-stream" and (tonumber(value) or 0) == 0 then
    event_stream.refuse_webhooks()
  end
end

local function switch(s, option, value)
  if option == "event-stream" then
    event_stream.switch(s, tonumber(value) or 0)
  elseif option == "klass-stats" then
    klasses.switch(tonumber(value) or limits.klasses)
  end
end

-- Sets an option to a value that it accepts.
function options.set(s, option, value)
  check(option, value)
  redis.call("HSET", keys.meta(), "config:" .. option, value)
  switch(s, option, value)
  session.publish(s, "log", '{"event":"config_set","option":"' .. option .. '","value":'
    .. events.quoted(value) .. "}")
end

-- Resets an option to its default.
function options.unset(s, option)
  check(option)
  redis.call("HDEL", keys.meta(), "config:" .. option)
  switch(s, option)
  session.publish(s, "log", '{"event":"config_unset","option":"' .. option .. '"}')
end

return options
