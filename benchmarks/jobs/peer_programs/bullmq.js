// The jobs in BullMQ: `work` runs the worker, `put` the commands on standard input; see jobs.py.
// BENCH_CONCURRENCY jobs run at once in each of two processes; BENCH_KEEP=0 drops completed jobs.
const { fork } = require("node:child_process");
const { createInterface } = require("node:readline");
const { Queue, Worker } = require("bullmq");
const Redis = require("ioredis");

const connection = new Redis({ path: process.env.BENCH_SOCKET, maxRetriesPerRequest: null });
const DATA = { user: 12345, address: "someone@example.org", subject: "Welcome", tries: 3 };
const PAGE = 100;
const [mode, kind] = process.argv.slice(2);
const now = () => performance.timeOrigin + performance.now();
const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

const COMMANDS = {
  mark: (queue, [mark]) => queue.add("noOp", { mark }),
  async one(queue, [count]) {
    for (let i = 0; i < Number(count); i++) await queue.add("noOp", DATA);
  },
  async bulk(queue, [count]) {
    for (let left = Number(count); left > 0; left -= PAGE) {
      await queue.addBulk(Array(Math.min(PAGE, left)).fill({ name: "noOp", data: DATA }));
    }
  },
  async paced(queue, pauses) {
    for (const pause of pauses) {
      await sleep(Number(pause));
      await queue.add("recordWait", { sent: now() });
    }
  },
};

async function put() {
  const removeOnComplete = process.env.BENCH_KEEP === "0";
  const queue = new Queue("bench", { connection, defaultJobOptions: { removeOnComplete } });
  for await (const line of createInterface({ input: process.stdin })) {
    const [command, ...rest] = line.split(" ");
    const began = performance.now();
    await COMMANDS[command](queue, rest);
    console.log((performance.now() - began) / 1000);
  }
  process.exit();
}

async function perform(job) {
  if (job.name === "recordWait") {
    await connection.rpush("bench:waits", (now() - job.data.sent) / 1000);
  } else if (job.data.mark) {
    await connection.set(`bench:${job.data.mark}`, now() / 1000);
  }
}

function work() {
  if (kind !== "child") {
    for (let i = 0; i < 2; i++) fork(__filename, ["work", "child"]);
    return;
  }
  new Worker("bench", perform, { connection, concurrency: Number(process.env.BENCH_CONCURRENCY) });
}

if (mode === "work") work();
else put();
