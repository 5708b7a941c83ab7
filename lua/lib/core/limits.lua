-- The bounds of one atomic call.

return {
  -- jobs, names or edges that one call may carry
  call = 100,
  -- items of housekeeping (reclaimed, promoted, released, deleted) that one call may do
  housekeeping = 50,
  -- bytes of data kept inside the job's own value; longer data has a key of its own
  inline = 1024,
  -- data of one job, unless the option max-data-size says otherwise
  data = 1048576,
  -- a packed policy of retries, and what it remembers
  policy = 4000,
  -- parents of one job, dependents shown of one job, jobs walked in search of a cycle
  edges = 1000,
  -- batches around a batch
  nesting = 10,
  -- ticks of a cron expression that are kept ahead, and below how many a client is asked for more
  ticks = 200,
  few_ticks = 96,
  -- ticks that a view shows
  ticks_shown = 10,
  -- recurring jobs that one group may declare
  declared = 1000,
  -- rows of one page
  page = 1000,
  -- rows of one page that take several reads each
  dear_page = 250,
  -- history entries kept inside the job's own value
  history = 9,
  -- milliseconds for which a reply is remembered
  reply = 300000,
  -- milliseconds for which a command waits for a worker that does not hear it
  command = 3600000,
  -- throttles of one job
  throttles = 8,
  -- queues in which a throttle is opened at once, and open ones that one pop looks into
  openings = 5,
  gates = 10,
  -- milliseconds for which a job keeps what it was refused too often, the first time
  reservation = 60000,
  -- refusals after which it does
  patience = 5,
  -- what a job may cost of a throttle, and what a bucket may hold
  least = 1e-6,
  most = 1e9,
  -- scores behind every priority: of jobs that cost more than their throttle can ever hold, and
  -- what each unit of cost adds
  costly = 1e305,
  costly_by = 1e295,
  -- scores in front of every priority: given back by a lost lease, and by `timeout`
  reclaimed = -1e308,
  timed_out = "-inf",
}
