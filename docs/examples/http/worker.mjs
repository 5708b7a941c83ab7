// A worker in JavaScript that needs nothing but Node 18.
//
//   node worker.mjs API QUEUE MODULE [SLOTS]     API is for example http://127.0.0.1:5678/api/v1
//
// The module exports one async function for each klass, by its name; dots become underscores. It gets
// the data, the job, and an AbortSignal that fires when the lease is lost or the worker must stop;
// what it returns is the result. QLESS_PY_TOKEN is the token, if the API wants one; RENEW_EVERY is in
// seconds, well below the length of a lease.
import { hostname } from "node:os";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const [api, queue, modulePath, slots = "4"] = process.argv.slice(2);
const handlers = await import(resolve(modulePath));
const worker = `node-${hostname().replace(/[^A-Za-z0-9]/g, "")}-${process.pid}`;
const held = new Map(); // lease -> {job, abort}
let isQuiet = false;
let isStopping = false;

class Refused extends Error {}

async function send(method, path, body) {
  const headers = { "Content-Type": "application/json" };
  if (process.env.QLESS_PY_TOKEN) headers.Authorization = `Bearer ${process.env.QLESS_PY_TOKEN}`;
  const answer = await fetch(api + path, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  if (answer.ok) return text ? JSON.parse(text) : null;
  if (answer.status >= 500) throw new Error(text);
  throw new Refused(text); // Sending it again would not help.
}

// Reports are sent again while the API is unavailable. A rejected one is only logged: the lease is gone.
async function report(job, what, more = {}) {
  for (let pause = 100; ; pause = Math.min(2 * pause, 5000)) {
    try {
      return await send("POST", `/jobs/${job.jid}/${what}`, { lease: job.lease, ...more });
    } catch (error) {
      if (error instanceof Refused) return console.error(`${job.jid}: ${error.message}`);
      await sleep(pause);
    }
  }
}

async function run(job) {
  const abort = new AbortController();
  held.set(job.lease, { job, abort });
  try {
    const handler = handlers[job.klass.replaceAll(".", "_")];
    if (!handler) throw new Error(`no handler for ${job.klass}`);
    const result = await handler(job.data, job, abort.signal);
    if (!abort.signal.aborted) await report(job, "complete", { result: result ?? null });
    if (abort.signal.reason === "stop") await report(job, "release"); // Back, at no cost.
  } catch (error) {
    if (abort.signal.reason === "stop") return await report(job, "release");
    if (abort.signal.aborted) return;
    const message = String(error?.stack ?? error).slice(0, 20000);
    await report(job, "fail", { error: error?.name ?? "Error", message });
  } finally {
    held.delete(job.lease);
  }
}

// All leases are renewed with one request.
async function keepLeases() {
  const leases = [...held.values()].map(({ job }) => ({ jid: job.jid, lease: job.lease }));
  if (!leases.length) return;
  const answer = await send("POST", "/heartbeats", { leases });
  answer.leases.forEach((one, n) => one.code && held.get(leases[n].lease)?.abort.abort(one.code));
}

async function beat() {
  const facts = { host: hostname(), pid: process.pid, slots: Number(slots), busy: held.size };
  const state = isStopping ? "stopping" : isQuiet ? "quiet" : "running";
  const answer = await send("POST", `/workers/${worker}/beat`, { ...facts, queues: [queue], state });
  if (answer.command === "quiet") isQuiet = true;
  if (answer.command === "resume") isQuiet = false;
  if (answer.command === "stop" || answer.command === "restart") isStopping = true;
}

const every = (seconds, task) =>
  setInterval(() => task().catch((error) => console.error(error.message)), 1000 * seconds);

process.on("SIGQUIT", () => (isStopping = true));
for (const name of ["SIGTERM", "SIGINT"])
  process.on(name, () => {
    isStopping = true;
    for (const { abort } of held.values()) abort.abort("stop");
  });

await beat().catch((error) => console.error(error.message));
const timers = [every(Number(process.env.RENEW_EVERY ?? 15), keepLeases), every(5, beat)];
while (!isStopping) {
  const free = Number(slots) - held.size;
  if (isQuiet || free < 1) {
    await sleep(20);
    continue;
  }
  try {
    const body = { worker, queues: [queue], count: Math.min(free, 100), wait: held.size ? 0.5 : 10 };
    for (const job of (await send("POST", "/pop", body)).jobs)
      isStopping ? await report(job, "release") : run(job); // It may stop while it asks for jobs.
  } catch (error) {
    console.error(error.message);
    await sleep(1000);
  }
}
while (held.size) await sleep(20);
timers.forEach(clearInterval);
await send("DELETE", `/workers/${worker}`).catch(() => {});
process.exit(0); // Whatever timers a handler has left.
