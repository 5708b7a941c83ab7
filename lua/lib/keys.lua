-- Every key of a namespace; nothing else spells one.

local keys = {}
local namespace = KEYS[1]

function keys.meta()
  return namespace .. ":meta"
end

function keys.queues()
  return namespace .. ":queues"
end

-- The marker that wakes an idle worker with a pattern when a queue has become known.
function keys.new_queues()
  return namespace .. ":queues:new"
end

function keys.complete()
  return namespace .. ":complete"
end

function keys.failed()
  return namespace .. ":failed"
end

function keys.tags()
  return namespace .. ":tags"
end

function keys.tracked()
  return namespace .. ":tracked"
end

function keys.workers()
  return namespace .. ":workers"
end

function keys.dead()
  return namespace .. ":dead"
end

function keys.due()
  return namespace .. ":due"
end

function keys.windows()
  return namespace .. ":windows"
end

function keys.tombstones()
  return namespace .. ":tombstones"
end

function keys.batches()
  return namespace .. ":batches"
end

function keys.releases()
  return namespace .. ":releases"
end

function keys.job(jid)
  return namespace .. ":job:" .. jid
end

function keys.data(jid)
  return namespace .. ":data:" .. jid
end

function keys.history(jid)
  return namespace .. ":history:" .. jid
end

function keys.failure(jid)
  return namespace .. ":failure:" .. jid
end

function keys.result(jid)
  return namespace .. ":result:" .. jid
end

function keys.progress(jid)
  return namespace .. ":progress:" .. jid
end

function keys.parents(jid)
  return namespace .. ":parents:" .. jid
end

function keys.dependencies(jid)
  return namespace .. ":dependencies:" .. jid
end

function keys.dependents(jid)
  return namespace .. ":dependents:" .. jid
end

function keys.holds(jid)
  return namespace .. ":holds:" .. jid
end

function keys.followups(jid)
  return namespace .. ":followups:" .. jid
end

function keys.group(group)
  return namespace .. ":failed:" .. group
end

function keys.tag(tag)
  return namespace .. ":tag:" .. tag
end

function keys.recurring(jid)
  return namespace .. ":recurring:" .. jid
end

-- Cron jobs by the instant at which a client is to be asked for their next ticks.
function keys.refills()
  return namespace .. ":refills"
end

-- The recurring jobs that one group has declared.
function keys.declared(group)
  return namespace .. ":declared:" .. group
end

function keys.unique(key)
  return namespace .. ":unique:" .. key
end

function keys.request(slot)
  return namespace .. ":request:" .. slot
end

function keys.waiting(queue)
  return namespace .. ":queue:" .. queue .. ":waiting"
end

function keys.scheduled(queue)
  return namespace .. ":queue:" .. queue .. ":scheduled"
end

function keys.depends(queue)
  return namespace .. ":queue:" .. queue .. ":depends"
end

function keys.running(queue)
  return namespace .. ":queue:" .. queue .. ":running"
end

function keys.slots(queue)
  return namespace .. ":queue:" .. queue .. ":recurring"
end

function keys.wake(queue)
  return namespace .. ":queue:" .. queue .. ":wake"
end

function keys.current(queue)
  return namespace .. ":queue:" .. queue .. ":now"
end

function keys.minutes(queue)
  return namespace .. ":queue:" .. queue .. ":minutes"
end

function keys.tens(queue)
  return namespace .. ":queue:" .. queue .. ":tens"
end

function keys.days(queue)
  return namespace .. ":queue:" .. queue .. ":days"
end

function keys.worker_info(worker)
  return namespace .. ":worker:" .. worker .. ":info"
end

function keys.worker_jobs(worker)
  return namespace .. ":worker:" .. worker .. ":jobs"
end

function keys.batch(batch)
  return namespace .. ":batch:" .. batch .. ":record"
end

function keys.members(batch)
  return namespace .. ":batch:" .. batch .. ":members"
end

function keys.release(token)
  return namespace .. ":release:" .. token .. ":record"
end

function keys.released(token)
  return namespace .. ":release:" .. token .. ":dependents"
end

-- Channels share the prefix, so two namespaces never hear each other.
function keys.channel(name)
  return namespace .. ":" .. name
end

return keys
