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
  -- ticks of a cron expression that are kept ahead, and below how many a client is asked for more
  ticks = 200,
  few_ticks = 96,
  -- ticks that a view shows
  ticks_shown = 10,
  -- recurring jobs that one group may declare
  declared = 1000,
  -- rows of one page
  page = 1000,
  -- history entries kept inside the job's own value
  history = 9,
  -- milliseconds for which a reply is remembered
  reply = 300000,
  -- scores in front of every priority: given back by a lost lease, and by `timeout`
  reclaimed = -1e308,
  timed_out = "-inf",
}
