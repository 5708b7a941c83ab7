-- Webhooks: URLs that get the events of the namespace. One hash holds a packed record for each by
-- its id, with the keys that sign its deliveries as the client encoded them.

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local events = require("lib.core.events")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local options = require("lib.core.options")
local session = require("lib.core.session")
local stored = require("lib.core.stored")

local webhooks = {}

webhooks.QUEUE = "webhooks"
-- Events kept if the stream is turned on by the first webhook.
webhooks.EVENTS = "10000"

webhooks.OPTIONS = {
  url = true, types = true, queues = true, description = true, disable_after = true, key = true,
  codec = true, keep = true, state = true, reason = true,
}

local STATES = { enabled = true, disabled = true }

local function check_lines(what, lines, longest)
  for _, line in ipairs(check.list(what, lines, 0, limits.patterns)) do
    check.line(what, line)
    check.text(what, line, longest)
  end
end

local function check_key(given)
  if given.key ~= nil or given.codec ~= nil then
    check.text("key", given.key, 1024)
    check.name("codec", given.codec)
  end
end

local function check_url(url)
  check.text("url", url, 2083)
  if url == "" or string.find(url, "[%c ]") then
    errors.bad("url is not a URL")
  end
end

-- Checks the options that are given; a missing url or key is accepted.
function webhooks.check(given)
  check_url(given.url or "-")
  check_key(given)
  check_lines("types", given.types or {}, 128)
  check_lines("queues", given.queues or {}, 128)
  for _, name in ipairs({ "description", "reason" }) do
    check.text(name, given[name] or "", 255)
  end
  for _, name in ipairs({ "disable_after", "keep" }) do
    check.count(name, given[name] or 0, 0, 3155760000000)
  end
  check.one_of("state", given.state or "enabled", STATES)
end

-- The record of a packed webhook; nil if it cannot be used.
function webhooks.parse(packed)
  local record = packed and stored.unpack(packed)
  local is_usable = record
    and type(record.url) == "string"
    and type(record.keys) == "table"
    and type(record.since) == "string"
    and STATES[record.state]
  return is_usable and record or nil
end

-- The record of a webhook, or the refusal of the call.
function webhooks.load(id)
  local record = webhooks.parse(redis.call("HGET", keys.webhooks(), id))
  if not record then
    errors.raise("NOWEBHOOK", "Webhook " .. id .. " does not exist")
  end
  return record
end

local function save(id, record)
  redis.call("HSET", keys.webhooks(), id, cmsgpack.pack(record))
end

local function publish(s, event, id, more)
  session.publish(s, "log", '{"event":"' .. event .. '","webhook":"' .. id .. '"'
    .. (more or "") .. "}")
end

-- What the first webhook needs: a stream, and a position behind the events that it holds.
local function begin(s)
  if not s.stream_limit then
    options.set(s, "event-stream", webhooks.EVENTS)
  end
  if redis.call("HLEN", keys.webhooks()) == 0 then
    redis.call("HSET", keys.meta(), "webhooks:position", s.last_event or "0-0")
    redis.call("HDEL", keys.meta(), "webhooks:gap")
  end
end

function webhooks.add(s, id, given)
  if redis.call("HEXISTS", keys.webhooks(), id) == 1 then
    errors.raise("EXISTS", "Webhook " .. id .. " exists")
  elseif redis.call("HLEN", keys.webhooks()) >= limits.webhooks then
    errors.bad("there are " .. limits.webhooks .. " webhooks already: remove one first")
  end
  begin(s)
  save(id, {
    url = given.url, types = given.types or {}, queues = given.queues or {},
    description = given.description or "", disable_after = given.disable_after,
    keys = { { key = given.key, codec = given.codec, at = s.now } }, state = "enabled",
    since = s.last_event or "0-0", created_at = s.now, delivered = 0, failed = 0,
  })
  publish(s, "webhook_added", id)
end

-- Puts a new key in front of the present one, which signs for `keep` ms more.
local function rotate(s, record, given)
  local present = record.keys[1]
  record.keys = { { key = given.key, codec = given.codec, at = s.now } }
  if present and (given.keep or 0) > 0 then
    present["until"] = s.now + given.keep
    record.keys[2] = present
  end
end

local function disable(s, id, record, reason)
  record.state, record.reason, record.disabled_at = "disabled", reason, s.now
  publish(s, "webhook_disabled", id, ',"reason":' .. events.quoted(reason))
end

-- Changes what is given. A webhook that is enabled again starts without failures, and gets the
-- events from then on.
function webhooks.change(s, id, record, given)
  for _, name in ipairs({ "url", "types", "queues", "description", "disable_after" }) do
    if given[name] ~= nil then
      record[name] = given[name]
    end
  end
  if given.key then
    rotate(s, record, given)
  end
  if given.state == "enabled" and record.state == "disabled" then
    record.state, record.reason, record.disabled_at, record.failing_since = "enabled", nil, nil, nil
    record.since = s.last_event or record.since
  elseif given.state == "disabled" and record.state == "enabled" then
    disable(s, id, record, given.reason or "by an operator")
  end
  save(id, record)
  publish(s, "webhook_changed", id)
end

function webhooks.remove(s, id)
  redis.call("HDEL", keys.webhooks(), id)
  publish(s, "webhook_removed", id)
end

local function note_failure(s, id, record, outcome)
  record.failed, record.last_failure_at = (record.failed or 0) + 1, s.now
  record.last_error = outcome.error
  record.failing_since = record.failing_since or s.now
  if record.state == "disabled" then
    return
  end
  if outcome.gone then
    disable(s, id, record, "the receiver answered 410")
  elseif s.now - record.failing_since >= (record.disable_after or math.huge) then
    disable(s, id, record, "it failed for too long: " .. (outcome.error or ""))
  end
end

-- Notes how a delivery ended. Disables the webhook if its receiver is gone for good, or has failed
-- for longer than the webhook allows.
function webhooks.report(s, id, record, outcome)
  record.last_status = outcome.status
  if outcome.ok then
    record.delivered, record.last_success_at = (record.delivered or 0) + 1, s.now
    record.failing_since = nil
  else
    note_failure(s, id, record, outcome)
  end
  save(id, record)
end

-- Checks what a dispatcher wants to put, and where it wants to move the position.
function webhooks.check_dispatch(from, to, lost, specs)
  for _, id in ipairs({ check.text("from", from, 33), check.text("to", to, 33) }) do
    if not string.find(id, "^%d+%-%d+$") then
      errors.bad("from and to are ids of events")
    end
  end
  if lost ~= "" and lost ~= "?" then
    check.integer("lost", lost, 1, 2 ^ 52)
  end
  for i, spec in ipairs(specs) do
    check.map("job " .. i, spec)
    spec.queue, spec.on_conflict = webhooks.QUEUE, "ignore"
  end
end

-- Moves the position of the dispatchers. With `lost`, events were missed on the way.
function webhooks.move(s, from, to, lost)
  redis.call("HSET", keys.meta(), "webhooks:position", to)
  if lost ~= "" then
    redis.call("HSET", keys.meta(), "webhooks:gap",
      cmsgpack.pack({ at = s.now, after = from, lost = tonumber(lost) }))
    session.publish(s, "log", '{"event":"webhook_gap","after":"' .. from .. '"}')
  end
end

return webhooks
