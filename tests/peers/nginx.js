// What the tests of nginx.rs need of Node: a server behind nginx, and clients before it.
//   node nginx.js server HOST:PORT                 npm's server
//   node nginx.js client URL CERTIFICATE           a client of each server, over each transport
//   node nginx.js polling URL CERTIFICATE          a client over polling alone
//   node nginx.js upgrade URL CERTIFICATE          a client that begins with polling
//   node nginx.js browser URL                      the same in Chromium
//   node nginx.js crowd URL CERTIFICATE            many clients that emit while servers are killed
const { readFileSync } = require("node:fs");
const { createServer } = require("node:http");
const { Agent } = require("node:https");
const { createInterface } = require("node:readline");
const { io: connect } = require("socket.io-client");

const say = (...words) => console.log(words.join(" "));
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const ECHOES = 20;
const TRANSPORTS = [["polling"], ["websocket"], ["polling", "websocket"]];

function serve(address) {
  const { Server } = require("socket.io");
  const [host, port] = address.split(":");
  const bundle = require.resolve("socket.io-client/package.json").replace("package.json", "dist/socket.io.min.js");
  const http = createServer((request, response) => {
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.end(request.url === "/client.js" ? readFileSync(bundle) : '<!doctype html><script src="/client.js"></script>');
  });
  const io = new Server(http, { serveClient: false });
  io.on("connection", (socket) => {
    const { address, headers } = socket.handshake;
    socket.on("who", (ack) => ack("npm's", address, headers["x-forwarded-for"]));
    socket.on("echo", (...values) => values.pop()(...values));
    socket.on("say", (text) => io.emit("said", text));
  });
  http.listen(port, host, () => say("Server listening on port", http.address().port));
}

// What a client does, here or in a page: it connects, upgrades if it may, and asks for echoes.
async function converse(socket, transports, echoes) {
  const upgraded = new Promise((resolve) => {
    socket.io.once("open", () => socket.io.engine.once("upgrade", resolve).once("upgradeError", resolve));
  });
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("connect_error", reject));
  if (transports.length > 1) await upgraded;
  let right = 0;
  for (let i = 0; i < echoes; i++) {
    const text = "안녕".repeat(i % 2 ? 1 : 10_000);
    if ((await socket.emitWithAck("echo", text)) === text) right++;
  }
  return `${transports}, now ${socket.io.engine.transport.name}: ${right} echoes`;
}

// A client with an address of its own, which tries to appear as another.
function open(url, certificate, address, options) {
  const ca = readFileSync(certificate);
  const agent = new Agent({ ca, localAddress: address, keepAlive: true });
  const extraHeaders = { "X-Forwarded-For": "6.6.6.6" };
  return connect(url, { agent, ca, extraHeaders, forceNew: true, reconnection: false, ...options });
}

const ask = (socket) => new Promise((resolve) => socket.emit("who", (...answer) => resolve(answer)));

async function visitEachServer(url, certificate) {
  const found = new Map(); // from the name of a server to the address of one of its clients
  for (let i = 2; found.size < 3 && i < 250; i++) {
    const from = `127.0.0.${i}`;
    const socket = open(url, certificate, from, { transports: ["websocket"] });
    found.set((await ask(socket))[0], from);
    socket.disconnect();
  }
  for (const name of [...found.keys()].sort()) {
    const from = found.get(name);
    const show = (address) => String(address).replaceAll(from, "the client's").replaceAll("127.0.0.1", "nginx's");
    for (const transports of TRANSPORTS) {
      const socket = open(url, certificate, from, { transports });
      socket.on("disconnect", (reason) => reason === "io client disconnect" || say("error:", reason));
      const seen = await converse(socket, transports, ECHOES);
      const [server, address, forwarded] = await ask(socket);
      say(`${server}, ${seen}, address ${show(address)}, forwarded ${show(forwarded)}`);
      socket.disconnect();
    }
  }
}

async function visit(url, certificate, transports) {
  const socket = open(url, certificate, "127.0.0.1", { transports });
  const failed = new Promise((resolve) => {
    socket.on("connect_error", (error) => resolve(error.message));
    socket.on("disconnect", resolve);
  });
  const done = converse(socket, transports, ECHOES).catch(() => failed);
  say(await Promise.race([done, failed]));
  process.exit();
}

async function browse(url) {
  const { launch } = require("./chromium");
  const browser = await launch();
  const visit = async (cookie) => {
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    if (cookie) await context.addCookies([{ name: "client", value: cookie, url }]);
    const page = await context.newPage();
    page.setDefaultTimeout(60_000); // as long as a line may take
    page.on("pageerror", (error) => say("error:", error.message));
    await page.goto(url);
    const seen = await page.evaluate(
      async ({ converse, transports, echoes }) => {
        const run = eval(`(${converse})`);
        const lines = [];
        for (const list of transports) {
          const socket = io({ transports: list, forceNew: true, reconnection: false });
          const seen = await run(socket, list, echoes);
          const [server, address] = await new Promise((resolve) => socket.emit("who", (...answer) => resolve(answer)));
          lines.push([server, `${seen}, address ${address}`]);
          socket.disconnect();
        }
        return lines;
      },
      { converse: String(converse), transports: TRANSPORTS, echoes: ECHOES },
    );
    const kept = await context.cookies();
    await context.close();
    return { seen, cookie: kept.map(({ name, value, secure, httpOnly }) => [name, value, secure, httpOnly]) };
  };
  say("cookie:", JSON.stringify((await visit()).cookie));
  const found = new Map();
  for (let i = 0; found.size < 3 && i < 100; i++) {
    const { seen } = await visit(`client-${i}`);
    const servers = new Set(seen.map(([server]) => server));
    if (servers.size > 1) say("error: one client, the servers", [...servers]);
    found.set(seen[0][0], seen.map(([, line]) => line));
  }
  for (const server of [...found.keys()].sort()) for (const line of found.get(server)) say(`${server}, ${line}`);
  await browser.close();
}

// Each client of the crowd says numbers, and asks for an acknowledgement behind each. All that are
// connected to a server hear what one of them says there.
class Member {
  constructor(url, certificate, i) {
    [this.name, this.acks, this.failed, this.disconnects, this.faults, this.heard] = [i, 0, 0, 0, [], new Set()];
    const timing = { reconnection: true, reconnectionDelay: 20, reconnectionDelayMax: 200, timeout: 20_000 };
    this.socket = open(url, certificate, `127.0.0.${i + 2}`, { transports: TRANSPORTS[i % 3], ...timing });
    this.socket.on("disconnect", () => this.disconnects++);
    this.socket.on("said", (text) => {
      if (this.heard.has(text)) this.faults.push(`${text} twice`);
      this.heard.add(text);
    });
  }

  async emit(n) {
    const text = `${this.name}:${n}`;
    this.socket.emit("say", text);
    try {
      const answer = await this.socket.timeout(20_000).emitWithAck("echo", n);
      this.acks++;
      if (answer !== n) this.faults.push(`${answer} for ${n}`);
      if (!this.heard.has(text)) this.faults.push(`${text} lost`);
    } catch {
      this.failed++; // the client knows that it may be lost
    }
  }

  async speak() {
    for (let n = 0; !this.silent; n += 3) {
      await Promise.all([this.emit(n), this.emit(n + 1), this.emit(n + 2)]);
      await wait(250);
    }
  }
}

async function gather(url, certificate) {
  const crowd = Array.from({ length: 48 }, (_, i) => new Member(url, certificate, i));
  const done = crowd.map((member) => member.speak());
  // Each line of the input asks for ten more acknowledgements of each client.
  for await (const line of createInterface({ input: process.stdin })) {
    const acks = crowd.map((member) => member.acks + 10);
    while (!crowd.every((member, i) => member.acks >= acks[i])) await wait(10);
    say(line);
  }
  crowd.forEach((member) => (member.silent = true));
  await Promise.all(done);
  const sum = (key) => crowd.reduce((sum, member) => sum + member[key], 0);
  say("disconnected:", sum("disconnects") > 0);
  say("lost without an error, or twice:", JSON.stringify(crowd.flatMap((member) => member.faults)));
  process.exit();
}

const modes = {
  server: serve,
  client: visitEachServer,
  polling: (...args) => visit(...args, ["polling"]),
  upgrade: (...args) => visit(...args, ["polling", "websocket"]),
  browser: browse,
  crowd: gather,
};
const [mode, ...args] = process.argv.slice(2);
Promise.resolve(modes[mode](...args)).catch((error) => {
  say("error:", error.message);
  process.exit(1);
});
