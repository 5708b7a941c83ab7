// The jobs in BullMQ: `put batch COUNT` prints the rate, `put paced PAUSE…` sleeps before each put,
// `work` runs the worker.
const { fork } = require("node:child_process");
const { Queue, Worker } = require("bullmq");
const Redis = require("ioredis");

const connection = new Redis({ path: process.env.BENCH_SOCKET, maxRetriesPerRequest: null });
const DATA = { user: 12345, address: "someone@example.org", subject: "Welcome", tries: 3 };
const [mode, kind, ...rest] = process.argv.slice(2);
const now = () => Date.now() / 1000;
const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

async function putBatch(count) {
  const queue = new Queue("bench", { connection });
  const began = process.hrtime.bigint();
  await queue.add("noOp", { mark: "first" });
  for (let i = 0; i < count - 2; i++) await queue.add("noOp", DATA);
  await queue.add("noOp", { mark: "last" });
  console.log(count / (Number(process.hrtime.bigint() - began) / 1e9));
  process.exit();
}

async function putPaced(pauses) {
  const queue = new Queue("bench", { connection });
  for (const pause of pauses) {
    await sleep(Number(pause));
    await queue.add("recordWait", { sent: performance.timeOrigin + performance.now() });
  }
  process.exit();
}

async function perform(job) {
  if (job.name === "recordWait") {
    const wait = (performance.timeOrigin + performance.now() - job.data.sent) / 1000;
    await connection.rpush("bench:waits", wait);
  } else if (job.data.mark) {
    await connection.set(`bench:${job.data.mark}`, now());
  }
}

function work() {
  if (kind !== "child") {
    for (let i = 0; i < 2; i++) fork(__filename, ["work", "child"]);
    return;
  }
  new Worker("bench", perform, { connection, concurrency: 50 });
}

if (mode === "work") work();
else if (kind === "batch") putBatch(Number(rest[0]));
else putPaced(rest);
