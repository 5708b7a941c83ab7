-- Every key of a namespace; nothing else spells one.

local keys = {}
local namespace = KEYS[1]

local function whole(name)
  local key = namespace .. ":" .. name
  return function()
    return key
  end
end

local function one(prefix)
  local start = namespace .. ":" .. prefix .. ":"
  return function(name)
    return start .. name
  end
end

local function part(prefix, suffix)
  local start = namespace .. ":" .. prefix .. ":"
  local tail = ":" .. suffix
  return function(name)
    return start .. name .. tail
  end
end

keys.meta = whole("meta")
keys.queues = whole("queues")
keys.complete = whole("complete")
keys.failed = whole("failed")
keys.tags = whole("tags")
keys.tracked = whole("tracked")
keys.workers = whole("workers")
keys.dead = whole("dead")
keys.due = whole("due")
keys.windows = whole("windows")
keys.tombstones = whole("tombstones")
keys.batches = whole("batches")
keys.releases = whole("releases")

keys.job = one("job")
keys.data = one("data")
keys.history = one("history")
keys.failure = one("failure")
keys.result = one("result")
keys.progress = one("progress")
keys.parents = one("parents")
keys.dependencies = one("dependencies")
keys.dependents = one("dependents")
keys.holds = one("holds")
keys.followups = one("followups")
keys.group = one("failed")
keys.tag = one("tag")
keys.recurring = one("recurring")
keys.unique = one("unique")
keys.request = one("request")

keys.waiting = part("queue", "waiting")
keys.scheduled = part("queue", "scheduled")
keys.depends = part("queue", "depends")
keys.running = part("queue", "running")
keys.slots = part("queue", "recurring")
keys.wake = part("queue", "wake")
keys.current = part("queue", "now")
keys.minutes = part("queue", "minutes")
keys.tens = part("queue", "tens")
keys.days = part("queue", "days")
keys.worker_info = part("worker", "info")
keys.worker_jobs = part("worker", "jobs")
keys.batch = part("batch", "record")
keys.members = part("batch", "members")
keys.release = part("release", "record")
keys.released = part("release", "dependents")

-- Channels share the prefix, so two namespaces never hear each other.
function keys.channel(name)
  return namespace .. ":" .. name
end

return keys
