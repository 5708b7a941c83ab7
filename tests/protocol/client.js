// A client in another language, written after docs/protocol.md: it needs the library, as
// `bin/protocol --library` writes it, and a Unix socket of the server. Nothing else.
//
//   node client.js SOCKET SCRIPTS put QUEUE JID KLASS JSON [OPTIONS AS JSON]
//   node client.js SOCKET SCRIPTS work QUEUE WORKER SECONDS   (one job: its result is its data)
//   node client.js SOCKET SCRIPTS call SCRIPT ARGUMENT…       (prints what the server answers)
"use strict";
const crypto = require("node:crypto");
const fs = require("node:fs");
const net = require("node:net");

function length(size, kinds) {
  const [mark, bytes] = kinds.find(([, , limit]) => size < limit);
  const head = Buffer.alloc(1 + bytes, mark);
  if (bytes) head.writeUIntBE(size, 1, bytes);
  else head[0] = mark | size;
  return head;
}

function pack(value) {
  if (typeof value === "boolean") return Buffer.from([value ? 0xc3 : 0xc2]);
  if (typeof value === "number") {
    const number = Buffer.alloc(9, 0xcb);
    number.writeDoubleBE(value, 1);
    return number;
  }
  if (typeof value === "string") {
    const text = Buffer.from(value);
    const kinds = [[0xa0, 0, 32], [0xd9, 1, 256], [0xda, 2, 65536], [0xdb, 4, Infinity]];
    return Buffer.concat([length(text.length, kinds), text]);
  }
  const items = Array.isArray(value) ? value : Object.entries(value).flat();
  const size = Array.isArray(value) ? value.length : items.length / 2;
  const mark = Array.isArray(value) ? [0x90, 0xdc] : [0x80, 0xde];
  const head = length(size, [[mark[0], 0, 16], [mark[1], 2, 65536]]);
  return Buffer.concat([head, ...items.map(pack)]);
}

// Strings stay bytes: only the reader knows which of them are text.
function unpack(bytes) {
  let at = 0;
  const uint = (size) => bytes.readUIntBE((at += size) - size, size);
  const int = (size) => bytes.readIntBE((at += size) - size, size);
  const text = (size) => bytes.subarray(at, (at += size));
  const list = (size) => Array.from({ length: size }, next);
  const map = (size) => Object.fromEntries(list(size * 2).reduce((pairs, one, i, all) =>
    (i % 2 ? pairs : [...pairs, [String(one), all[i + 1]]]), []));
  function next() {
    const mark = bytes[at++];
    if (mark < 0x80) return mark;
    if (mark < 0x90) return map(mark & 15);
    if (mark < 0xa0) return list(mark & 15);
    if (mark < 0xc0) return text(mark & 31);
    if (mark >= 0xe0) return mark - 256;
    switch (mark) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: case 0xc5: case 0xc6: return text(uint(1 << (mark - 0xc4)));
      case 0xca: return bytes.readFloatBE((at += 4) - 4);
      case 0xcb: return bytes.readDoubleBE((at += 8) - 8);
      case 0xcc: case 0xcd: case 0xce: return uint(1 << (mark - 0xcc));
      case 0xcf: return Number(bytes.readBigUInt64BE((at += 8) - 8));
      case 0xd0: case 0xd1: case 0xd2: return int(1 << (mark - 0xd0));
      case 0xd3: return Number(bytes.readBigInt64BE((at += 8) - 8));
      case 0xd9: case 0xda: case 0xdb: return text(uint(1 << (mark - 0xd9)));
      case 0xdc: case 0xdd: return list(uint(2 << (mark - 0xdc)));
      case 0xde: case 0xdf: return map(uint(2 << (mark - 0xde)));
      default: throw new Error(`no msgpack: ${mark}`);
    }
  }
  return next();
}

class Server {
  constructor(socket, library) {
    this.library = fs.readFileSync(library, "utf8");
    this.series = crypto.randomBytes(8).toString("hex");
    this.sequence = 0;
    this.buffer = Buffer.alloc(0);
    this.socket = net.connect(socket);
    this.socket.on("data", (part) => {
      this.buffer = Buffer.concat([this.buffer, part]);
      const found = this.parse(0);
      if (!found) return;
      this.buffer = this.buffer.subarray(found.end);
      if (found.value instanceof Error) this.refuse(found.value);
      else this.answer(found.value);
    });
    this.socket.on("error", (error) => this.refuse(error));
  }

  parse(start) {
    const line = this.buffer.indexOf("\r\n", start);
    if (line < 0) return null;
    const kind = String.fromCharCode(this.buffer[start]);
    const head = this.buffer.toString("utf8", start + 1, line);
    if (kind === "-") return { value: new Error(head), end: line + 2 };
    if (kind === "+" || kind === ":") return { value: head, end: line + 2 };
    if (Number(head) < 0) return { value: null, end: line + 2 };
    if (kind === "$") {
      const end = line + 2 + Number(head);
      if (this.buffer.length < end + 2) return null;
      return { value: this.buffer.subarray(line + 2, end), end: end + 2 };
    }
    const items = [];
    for (let i = 0, at = line + 2; i < Number(head); i += 1, at = items.at(-1).end) {
      const item = this.parse(at);
      if (!item) return null;
      items.push(item);
    }
    return { value: items.map((item) => item.value), end: items.at(-1)?.end ?? line + 2 };
  }

  send(...words) {
    const parts = words.map((word) => (Buffer.isBuffer(word) ? word : Buffer.from(String(word))));
    const bulks = parts.flatMap((part) => [`$${part.length}\r\n`, part, "\r\n"]);
    this.socket.write(Buffer.concat([`*${parts.length}\r\n`, ...bulks].map((one) => Buffer.from(one))));
    return new Promise((answer, refuse) => Object.assign(this, { answer, refuse }));
  }

  async call(name, ...given) {
    const digest = this.library.match(/^#!lua name=qless_(\w+)/)[1];
    this.sequence += 1;
    const isQuery = name.startsWith("read/");
    const request = isQuery ? [] : [`${this.series}:${this.sequence}:0`];
    const method = [isQuery ? "FCALL_RO" : "FCALL", `${name.replace("/", "_")}_${digest}`];
    const command = [...method, 1, "{ql}", "", ...request, ...given];
    const answer = this.send(...command).catch(async (error) => {
      if (error.message !== "ERR Function not found") throw error;
      await this.send("FUNCTION", "LOAD", this.library);
      return this.send(...command);
    });
    const reply = await answer;
    return Array.isArray(reply) ? [unpack(reply[0]), ...reply.slice(1)] : unpack(reply);
  }
}

function record(view, value) {
  const [, klass, , , , , , , lease] = unpack(value);
  return { jid: view.jid, klass, lease, data: view.data ?? unpack(value).at(-1) };
}

async function work(server, queue, worker, seconds) {
  for (;;) {
    const [reply, ...values] = await server.call("pop", pack([queue]), worker, 1, "");
    if (values.length) {
      const job = record(reply.jobs[0], values[0]);
      await server.call("complete", job.jid, job.lease, "", job.data, "");
      return { jid: job.jid, klass: job.klass };
    }
    if (!reply.more && !(await server.send("BZPOPMIN", ...reply.wake, seconds))) return null;
  }
}

const shown = (_, value) => (value?.type === "Buffer" ? Buffer.from(value.data).toString() : value);

async function main([socket, library, verb, ...rest]) {
  const server = new Server(socket, library);
  const verbs = {
    put: (queue, jid, klass, data, options) =>
      server.call("put", queue, jid, klass, data, options ? pack(JSON.parse(options)) : ""),
    work: (queue, worker, seconds) => work(server, queue, worker, seconds),
    call: (name, ...given) => server.call(name, ...given),
  };
  try {
    console.log(JSON.stringify(await verbs[verb](...rest), shown));
  } catch (error) {
    console.error(error.message.replace(/\s*script:.*$/, ""));
    process.exitCode = 1;
  }
  server.socket.end();
}

main(process.argv.slice(2));
