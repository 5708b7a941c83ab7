-- webhook_add(now, request, id, options) -> true
-- Adds a webhook, which gets the events from now on. Options: url; key and codec (what signs its
-- deliveries, and how the client encoded that); types and queues (patterns of the events it wants,
-- none for all); description; disable_after (ms of failures). The first one turns the stream on.
-- Errors: BADARG EXISTS
-- Events: webhook_added config_set
-- Flags: allow-oom

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local session = require("lib.core.session")
local webhooks = require("lib.webhook.webhooks")

local now, request, id, options = unpack(ARGV)
check.name("id", id)
local given = check.options("options", options, webhooks.OPTIONS)
webhooks.check(given)
if not given.url or not given.key then
  errors.bad("a webhook needs a url and a key")
end

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end

webhooks.add(s, id, given)

return session.close(s, true)
