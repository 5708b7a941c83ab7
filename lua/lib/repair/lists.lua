-- Repairs lists that hold no jobs: next ticks, tasks, workers, queues, unique keys, names.

local keys = require("lib.core.keys")
local queue_lib = require("lib.queue.queue")
local recurrence = require("lib.recurring.recurrence")
local stored = require("lib.core.stored")

local repair_lists = {}

-- A recurring job is listed where it belongs, or nowhere when it is gone.
function repair_lists.recurring(s, jid)
  local self = recurrence.find(jid)
  if not self then
    redis.call("ZREM", keys.refills(), jid)
    return
  end
  local tick = recurrence.tick(self)
  if self.record.interval and (not tick or tick == math.huge) then
    tick = s.now + self.record.interval
  end
  recurrence.set_tick(s, self, tick)
  recurrence.save(self)
  if self.record.group then
    redis.call("SADD", keys.declared(self.record.group), jid)
  end
end

-- Removes a next tick without a recurring job.
function repair_lists.slot(s, queue, jid)
  local self = recurrence.find(jid)
  if not self or self.record.queue ~= queue then
    redis.call("ZREM", keys.queue_recurring(queue), jid)
  else
    repair_lists.recurring(s, jid)
  end
end

-- Removes a declaration without a recurring job.
function repair_lists.declared(_, group, jid)
  local self = recurrence.find(jid)
  if not self or self.record.group ~= group then
    redis.call("SREM", keys.declared(group), jid)
  end
end

local LISTS = {
  failed = { list = keys.failed, key = keys.failed_group },
  tags = { list = keys.tags, key = keys.tag },
  batches = { list = keys.batches, key = keys.batch_record },
  releases = { list = keys.releases, key = keys.release_record },
  windows = { list = keys.windows, key = keys.unique },
  throttles = { list = keys.throttles, key = keys.throttle_record },
  undos = { list = keys.undos, key = keys.undo },
}

-- Removes a name from a list when what it names does not exist.
function repair_lists.listed(_, name, _, list)
  local known = LISTS[list]
  if known and redis.call("EXISTS", known.key(name)) == 0 then
    redis.call("ZREM", known.list(), name)
  end
end

-- Makes a task due now; it will set its own instant.
function repair_lists.due(s, task)
  queue_lib.set_due(task, s.now)
end

function repair_lists.duty(_, task)
  redis.call("ZREM", keys.due(), task)
end

function repair_lists.worker(s, worker)
  redis.call("ZADD", keys.workers(), "NX", s.now, worker)
end

function repair_lists.queue(s, queue)
  redis.call("ZADD", keys.queues(), "NX", s.now, queue)
end

function repair_lists.klass(_, klass)
  redis.call("ZADD", keys.known_klasses(), "NX", 0, klass)
end

-- A key is held until the end of its window, or by a job in its scope.
function repair_lists.unique(s, key)
  local entry = stored.get(keys.unique(key))
  local ends = entry and entry["until"]
  if ends then
    redis.call("ZADD", keys.windows(), ends, key)
    return
  end
  redis.call("ZREM", keys.windows(), key)
  if entry and not require("lib.job.unique").holder(s, key) then
    redis.call("DEL", keys.unique(key))
  end
end

return repair_lists
