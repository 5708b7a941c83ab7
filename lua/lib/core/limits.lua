-- The bounds of one atomic call.

return {
  -- jobs, names or edges in one call
  call = 100,
  -- items of housekeeping (reclaimed, promoted, released or deleted) that one call may do
  housekeeping = 50,
  -- tasks of maintenance that one call performs, and the items that each may do at least
  tasks = 10,
  task_items = 5,
  -- bytes of data kept in the job's own value; longer data has its own key
  inline = 1024,
  -- bytes of data of one job, unless the option max-data-size says otherwise
  data = 1048576,
  -- bytes of a packed retry policy, and of what it remembers
  policy = 4000,
  -- bytes of the names and values of a job's context
  context = 1024,
  -- origins of members that a batch collects, and the bytes of one
  origins = 16,
  origin = 100,
  -- parents of one job, dependents that a view shows, jobs visited in search of a cycle
  edges = 1000,
  -- tags of one job
  tags = 1000,
  -- batches that a running job owns and that are still open
  owned = 100,
  -- bytes of one packed list or map in the arguments
  packed = 1048576,
  -- batches around a batch
  nesting = 10,
  -- ticks of a cron expression that are stored ahead, and the number below which a client is asked
  -- for more
  ticks = 200,
  few_ticks = 96,
  -- ticks in a view
  ticks_shown = 10,
  -- runs that a recurring job remembers
  runs = 20,
  -- recurring jobs that one group may declare
  declared = 1000,
  -- rows of a page
  page = 1000,
  -- rows of a page when each takes several reads
  small_page = 250,
  -- bytes of an error that a history entry keeps
  error_line = 200,
  -- failures of a job that are kept before the last one, and the bytes of the message of each
  earlier = 4,
  earlier_message = 2000,
  -- history entries kept in the job's own value
  history = 9,
  -- milliseconds for which a reply is remembered, as text
  reply = "300000",
  -- copies of canceled jobs that one call deletes at most to make room for further ones
  evicted = 200,
  -- bytes of the reason for a cancellation
  reason = 500,
  -- jobs of a bulk action that can be undone, and the milliseconds for which it can be
  undone = 100000,
  undo = 86400000,
  -- milliseconds for which a command to a worker waits for its next heartbeat
  command = 3600000,
  -- what a worker can be commanded to do
  worker_commands = { quiet = true, resume = true, stop = true, restart = true, dump = true },
  -- access tokens of a namespace, patterns of queues or klasses of one, and the milliseconds for
  -- which the time of its last use is not written again
  tokens = 1000,
  patterns = 20,
  use = 60000,
  -- failure groups that are remembered, the hours for which their failures are counted, and the
  -- queues and klasses that are named
  failure_groups = 500,
  failure_hours = 24,
  failure_names = 5,
  -- bytes of failures that one query reads, and of one that it returns
  failures_read = 1048576,
  failure_shown = 4000,
  -- deploy markers of a namespace, and the characters of the name of one
  deploys = 100,
  deploy_name = 128,
  -- webhooks of a namespace
  webhooks = 100,
  -- klasses with statistics of their own, unless the option klass-stats says otherwise
  klasses = 100,
  -- throttles of one job
  throttles = 8,
  -- queues in which one call opens a throttle, and open throttles that one pop looks at
  openings = 5,
  gates = 10,
  -- throttles that a round of the sweep visits
  visited = 20,
  -- jobs that one call examines in addition to those that it leases
  examined = 100,
  -- how many users one lookup reads, and how many lookups one call makes. A call reaches this bound
  -- only if many users were served from other subqueues meanwhile or have just reached their
  -- limits; each lookup raises the scores of such users, so the next call starts behind them.
  users = 20,
  lookups = 25,
  -- users of a queue whose use is remembered, besides twice the number of those with ready jobs
  remembered = 1000,
  -- milliseconds for which slots are reserved for a job that was refused too often, the first time
  reservation = 60000,
  -- refusals after which slots are reserved
  refusals = 5,
  -- the least and largest cost of a job, and size of a bucket
  least = 1e-6,
  most = 1e9,
  -- scores after every priority: jobs that cost more than their throttle can ever hold, and what
  -- each unit of cost adds
  costly = 1e305,
  costly_by = 1e295,
  -- scores before every priority: jobs returned by an expired lease, and by `timeout`
  reclaimed = -1e308,
  timed_out = "-inf",
}
