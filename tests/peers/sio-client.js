// npm's socket.io-client, which does one thing and prints what it observes.
//   node sio-client.js URL LIBRARY TRANSPORTS WHAT …     (TRANSPORTS: polling, websocket, or both with a comma;
//                                                        LIBRARY may have a parser: socket.io-client+PARSER)
const { connect, createServer } = require("node:net");
const { Agent, request } = require("node:http");
const { inspect } = require("node:util");
const [url, library, transports, what, ...more] = process.argv.slice(2);
const [client, parser] = library.split("+");
const { io } = require(client);

const show = (value) =>
  typeof value === "string" ? value : inspect(value, { depth: 9, breakLength: Infinity, compact: 99, maxArrayLength: null });
const say = (...values) => console.log(values.map(show).join(" "));
const sockets = [];

// A socket with a connection of its own, which does not reconnect.
function create(path = "", options = {}, address = url) {
  const defaults = { transports: transports.split(","), reconnection: false, forceNew: true };
  if (parser) defaults.parser = require(parser);
  const socket = io(address + path, { ...defaults, ...options });
  sockets.push(socket);
  return socket;
}

// The values of the next event of that name.
const next = (socket, name) => new Promise((resolve) => socket.once(name, (...values) => resolve(values)));
// The values of the ack of an event.
const ask = (socket, ...values) => new Promise((resolve) => socket.emit(...values, (...answer) => resolve(answer)));
// The reason of the socket's disconnection.
const end = (socket) => next(socket, "disconnect").then(([reason]) => reason);

// The same where the server refuses a POST: over polling the client gets two responses, to the POST
// (`transport error`) and to its GET (`transport close`), in either order.
const refused = (socket) => end(socket).then((reason) => transports === "polling" ? "disconnected" : reason);

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Waits until the socket is connected and upgraded to its last transport.
async function settled(socket) {
  if (!socket.connected) await next(socket, "connect");
  const { engine } = socket.io;
  if (transports.includes(",") && engine.transport.name === "polling") await next(engine, "upgrade");
  return socket;
}

// A socket that is also past the last packet of its upgrade.
async function idle(address) {
  const socket = await settle("", {}, address);
  await ask(socket, "echo");
  await pause(100); // until the server has its next GET
  return socket;
}

const settle = (...where) => settled(create(...where));

// A proxy to the server, which can cut its connections or stop forwarding. It forwards a WebSocket's request
// when the promise `websockets` resolves.
async function startProxy(websockets) {
  const pipes = [];
  let stalled = false;
  const server = createServer((inside) => {
    const outside = connect(new URL(url).port, "127.0.0.1");
    inside.once("data", async (head) => {
      if (head.includes("transport=websocket")) await websockets;
      if (stalled) return;
      outside.write(head);
      inside.pipe(outside).pipe(inside);
    });
    // Whether the server holds a GET of this connection.
    inside.on("data", (chunk) => (inside.holdsGet = chunk.toString("latin1").startsWith("GET")));
    outside.on("data", () => (inside.holdsGet = false));
    pipes.push(inside, outside);
    [inside, outside].forEach((pipe) => pipe.on("error", () => {}));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `http://127.0.0.1:${server.address().port}`,
    stall: () => ((stalled = true), pipes.forEach((pipe) => (pipe.unpipe(), pipe.pause()))),
    async held() {
      while (!pipes.some((pipe) => pipe.holdsGet)) await pause(5);
    },
    cut: () => (server.close(), pipes.forEach((pipe) => pipe.destroy())),
  };
}

const VALUES = [
  "", "안녕하세요", "🎉\u0000\u2028\u2029\"\\/\b\u007f", "_placeholder",
  0, -0, 0.1, 1e21, 1e-7, 123456789012345680000, 2 ** 53, -(2 ** 31), 5e-324, Number.MAX_VALUE, NaN,
  true, false, null, undefined, [], [[[[[1], []], null], {}]], {}, { "": 0, b: { a: [1, "2"] }, 7: "seven" },
];

const things = {
  async values() {
    const socket = await settle();
    for (const values of [[], [1], VALUES, ...VALUES.map((value) => [value])]) {
      const received = next(socket, "echoed");
      say(await ask(socket, "echo", ...values), await received);
    }
    for (const name of ["echo", "이름", "", "message", "error", "with space\n"]) socket.emit(name, name);
    say(await next(socket, "echoed"));
  },

  async binary() {
    const socket = await settle();
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    const views = [bytes, bytes.buffer, bytes.subarray(100, 103), Buffer.from("안녕"), new Uint8Array(0)];
    const nested = { a: [bytes.subarray(1, 3), { b: bytes.subarray(0, 1) }], n: 1, c: [null, [Buffer.from("x")]] };
    const ten = Array.from({ length: 10 }, (_, i) => Buffer.alloc(i, i));
    for (const values of [...views.map((view) => [view]), [nested, "text", views[3]], [ten]]) {
      const received = next(socket, "echoed");
      say(await ask(socket, "echo", ...values), await received);
    }
    socket.on("question", (...values) => values.pop()(...values.reverse()));
    socket.emit("ask", 5000, nested, 1, bytes);
    say(await next(socket, "answered"));
    const big = Buffer.alloc(500_000, "0123456789");
    say((await ask(socket, "echo", big))[0].equals(big));
    socket.emit("echo", [...ten, Buffer.from("one too many")]);
    await end(socket);
    say("one too many: disconnected");
  },

  // What MessagePack carries both ways. (Our server has no `undefined` and sends any bytes as `Buffer`, and that
  // parser encodes larger integers wrongly.)
  async "values of MessagePack"() {
    const socket = await settle();
    const buffers = [0, 1, 300, 70_000].map((length) => Buffer.alloc(length, 7));
    const values = [...VALUES.filter((value) => value !== undefined && !(value > 2 ** 53 && value % 1 === 0)), ...buffers, { deep: [buffers] }, -1, -33, 200, 2 ** 40];
    for (const some of [[], values, ...values.map((value) => [value])]) {
      const received = next(socket, "echoed");
      say(await ask(socket, "echo", ...some), await received);
    }
    const eleven = Array.from({ length: 11 }, (_, i) => Buffer.alloc(i, i));
    say(await ask(socket, "echo", eleven));
    say((await ask(socket, "echo", Buffer.alloc(500_000, 7)))[0].length);
  },

  async "sends a malformed packet"() {
    const socket = await idle();
    const { encode } = require("notepack.io");
    const malformed = {
      text: "text", bytes: Buffer.from([0xc1]), type: encode({ type: 9, nsp: "/" }), namespace: encode({ type: 2, data: ["a"] }),
      data: encode({ type: 2, nsp: "/", data: {} }), id: encode({ type: 2, nsp: "/", data: ["a"], id: "b" }),
    };
    const reason = end(socket);
    socket.io.engine.send(malformed[more[0]]);
    say(await reason);
  },

  async acks() {
    const socket = await settle();
    say(await Promise.all([1, 2, 3].map((i) => ask(socket, "echo", i))));
    const limited = (limit, ...values) =>
      new Promise((resolve) => socket.timeout(limit).emit(...values, (...answer) => resolve(answer)));
    say(await limited(5000, "echo", "in time"));
    say((await limited(50, "not acknowledged")).map((error) => error.message));
    say(await socket.emitWithAck("echo", "a promise", 2));
    say(await socket.timeout(50).emitWithAck("nor is this").catch((error) => error.message));
    socket.once("question", (...values) => values.pop()("an answer", values));
    socket.emit("ask", 5000, "a question", { n: 1 });
    say(await next(socket, "answered"));
    socket.once("question", (ack) => (ack(), ack("again")));
    socket.emit("ask", 5000);
    say(await next(socket, "answered"));
    socket.emit("ask", 50, "which is not answered");
    const [, late] = await next(socket, "question");
    await pause(150);
    late("too late");
  },

  async namespaces() {
    const refused = ([error]) => [error.message, error.data];
    const socket = await settle();
    const shared = (path, auth) => settled(socket.io.socket(path, { auth }));
    const news = await shared("/news");
    say("one connection:", news.io === socket.io, "two ids:", news.id !== socket.id);
    const odd = await shared("/이름 with spaces?x=1");
    say(await ask(odd, "echo", "in an odd place", Buffer.from("x")));
    for (const path of ["/nowhere", "/NEWS", "/news/"]) {
      say(path, refused(await next(socket.io.socket(path), "connect_error")));
    }

    const locked = socket.io.socket("/locked");
    say(refused(await next(locked, "connect_error")), locked.active, locked.connected);
    locked.auth = { password: "Thistle" };
    locked.connect();
    say(refused(await next(locked, "connect_error")));
    locked.auth = (give) => give({ password: "Sesame" });
    await settled(locked.connect());
    say((await ask(locked, "who am I?")).slice(2));

    say(await Promise.all([socket, news, locked].map((one, i) => ask(one, "echo", i))));
    news.emit("say", "to all");
    socket.on("said", () => say("RECEIVED ELSEWHERE"));
    say(await next(news, "said"));
    news.disconnect();
    say("left:", news.connected, socket.connected, await ask(locked, "echo", "still here"));
    say("and back:", (await settled(news.connect())).connected, await ask(news, "echo", "again"));
    locked.emit("disconnect me", false);
    say(await end(locked), socket.connected, locked.active);
    news.emit("disconnect me", true);
    say(await Promise.all([socket, news, odd].map((one) => end(one))));
  },

  // The members of rooms, and which events each receives. Each has received all events when it has got an
  // ack that the server sent after them.
  async rooms() {
    const names = ["ann", "bob", "cho", "dan"];
    const all = await Promise.all(names.map(() => settle()));
    const [ann, bob, cho] = all;
    const received = {};
    all.forEach((socket, i) => socket.on("said", (text) => ((received[text] ??= []), received[text].push(names[i]))));
    say(await ask(ann, "join", "tea", "tea"), await ask(bob, "join", "tea", "news"), await ask(cho, "join", "news"));
    const tells = [
      ["io", {}, "all"], ["broadcast", {}, "all but Ann"], ["io", { to: ["tea"] }, "tea"],
      ["io", { to: ["tea", "news"] }, "tea or news"], ["broadcast", { to: ["tea"] }, "tea but Ann"],
      ["io", { except: ["news"] }, "not news"], ["io", { to: ["tea"], except: ["news"] }, "tea, not news"],
      ["broadcast", { except: ["tea"] }, "not tea, nor Ann"], ["io", { to: ["an empty room"] }, "no one"],
      ["io", { to: [bob.id] }, "Bob"], ["io", { except: [bob.id, cho.id] }, "neither Bob nor Cho"],
    ];
    tells.forEach((tell) => ann.emit("tell", ...tell));
    await ask(ann, "leave", "tea");
    await ask(ann, "leave", "a room that she did not join");
    ann.emit("tell", "io", { to: ["tea"] }, "tea without Ann");
    for (const socket of all) await ask(socket, "echo");
    await pause(50);
    for (const text of Object.keys(received).sort()) say(text + ":", received[text].sort().join(" "));
    const reason = Promise.all([end(bob), end(cho)]);
    ann.emit("disconnect the room", "news");
    say(await reason, ann.connected);
  },

  // Namespaces that do not exist before their first client.
  async "dynamic namespaces"() {
    const named = (name, more) => ({ auth: { name, ...more } });
    const control = await settle("/", named("control"));
    const log = async () => say(...(await ask(control, "log"))[0]);
    const children = async () => (await ask(control, "children"))[0];
    const refusal = async (...where) => say((await next(create(...where), "connect_error"))[0].message);
    await refusal("/elsewhere", named("eve"));
    await refusal("/room-1", named("eve", { token: "wrong" }));
    await refusal("/room-9", named("eve", { refuse: true }));
    say(await children());
    const ann = await settle("/room-1", named("ann"));
    const bob = await settle("/room-1", named("bob"));
    const cho = await settle("/room-2", named("cho"));
    say(await ask(ann, "who", [], []), await ask(cho, "find", "cho"), await ask(cho, "find", "ann"), await children());
    const told = Promise.all([ann, bob, cho].map((socket) => next(socket, "told")));
    control.emit("tell all children", 1, { two: [2] });
    say("told", await told);
    await log();
    ann.disconnect();
    while ((await ask(bob, "find", "ann"))[0]) await pause(10);
    say(await children());
    bob.emit("disconnect them", [], false);
    say(await end(bob));
    cho.disconnect();
    // (The server may remove the last client later, so wait until the log is complete.)
    const lines = [];
    while (lines.filter((line) => line.startsWith("disconnect ")).length < 3) {
      lines.push(...(await ask(control, "log"))[0]);
      await pause(10);
    }
    say(lines.filter((line) => !line.includes("cho")), lines.filter((line) => line.includes("cho")));
    say(await children());
    const again = await settle("/room-1", named("dan"));
    say(await ask(again, "who", [], []));
    await log();
  },

  // The order of sockets and rooms, and the events of rooms.
  async "room events"() {
    const all = [];
    for (const name of ["ann", "bob", "cho", "dan", "eve"]) all.push(await settle("/", { auth: { name } }));
    const [ann, bob, cho, dan, eve] = all;
    const log = async () => say(...(await ask(ann, "log"))[0]);
    await log();
    for (const socket of [eve, bob, dan]) await ask(socket, "join", ["tea", "news", "tea"]);
    await ask(cho, "join", "tea");
    await log();
    const who = async (...which) => say(which, ...(await ask(ann, "who", ...which)));
    await who([], []);
    await who([], ["news"]);
    await who(["tea"], []);
    await who(["news", "tea"], []);
    await who(["tea", "news", "nowhere"], ["nowhere"]);
    await ask(eve, "leave", "tea");
    await ask(eve, "leave", "nowhere");
    await ask(eve, "join", "tea");
    await who(["tea"], []);
    say(await ask(eve, "rooms"), await ask(ann, "all rooms"));
    await ask(ann, "move", ["tea"], ["milk", "sugar"]);
    say(await ask(ann, "all rooms"));
    await log();
    for (const socket of [bob, dan]) await ask(socket, "leave", "news");
    eve.disconnect();
    while ((await ask(ann, "find", "eve"))[0]) await pause(10);
    await pause(50);
    await log();
    cho.emit("disconnect them", "milk", true);
    say(await end(cho));
    while ((await ask(ann, "find", "dan"))[1] > 1) await pause(10);
    await pause(50);
    const lines = (await ask(ann, "log"))[0];
    for (const name of ["bob", "cho", "dan"]) say(lines.filter((line) => line.includes(name)));
    say(lines.filter((line) => line.startsWith("delete-room")).sort().filter((line) => /milk|sugar/.test(line)));
  },

  // What violates the protocol of HTTP long-polling, with requests written by hand.
  async "transport errors"() {
    const control = await settle("/", { auth: { name: "control" } });
    const log = async () => {
      const lines = [];
      while (!lines.some((line) => line.startsWith("disconnect "))) {
        lines.push(...(await ask(control, "log"))[0]);
        await pause(10);
      }
      say(lines.filter((line) => /^disconnect/.test(line)));
    };
    const agent = new Agent({ keepAlive: false });
    const send = (method, query, body, options = {}) => {
      const sent = request(`${url}/socket.io/?EIO=4&transport=polling${query}`, { method, agent, ...options });
      sent.on("error", () => {});
      if (body !== undefined) sent.end(body);
      return sent;
    };
    const text = (sent) => new Promise((resolve) => sent.on("response", async (response) => {
      let all = "";
      for await (const chunk of response) all += chunk;
      resolve(all);
    }));
    const open = async (name) => {
      const { sid } = JSON.parse((await text(send("GET", "", ""))).slice(1));
      const query = `&sid=${sid}`;
      await text(send("POST", query, `40{"name":"${name}"}`));
      await text(send("GET", query, ""));
      return query;
    };
    await ask(control, "log");

    let query = await open("two GETs");
    send("GET", query, "");
    await pause(100);
    send("GET", query, "");
    await log();

    query = await open("a GET that ends");
    const held = send("GET", query, "");
    await pause(100);
    held.destroy();
    await log();

    query = await open("two POSTs");
    send("POST", query, undefined, { headers: { "Content-Length": 10 } }).write("4");
    await pause(100);
    send("POST", query, "42[]");
    await log();

    query = await open("a POST that ends");
    const half = send("POST", query, undefined, { headers: { "Content-Length": 10 } });
    half.write("4");
    await pause(100);
    half.destroy();
    await log();

    query = await open("too much");
    send("POST", query, "4".repeat(1_000_001));
    await log();
    agent.destroy(); // and the requests that were not answered
  },

  async any() {
    const socket = await settle();
    socket.onAny((...event) => say("any:", event));
    socket.onAnyOutgoing?.((...event) => say("outgoing:", event.filter((value) => typeof value !== "function")));
    say(await ask(socket, "echo", 1, [2]));
    socket.offAny();
    say(await ask(socket, "echo", "no listener"));
    say(await ask(socket, 1, "a number's name"));
  },

  async volatile() {
    const early = create();
    early.volatile.emit("echo", "lost"); // there is no connection yet
    early.emit("echo", "kept");
    say(await next(early, "echoed"));
    const socket = await idle();
    socket.volatile.emit("tick");
    say(await next(socket, "tick"));
  },

  async clients() {
    const clients = await Promise.all(Array.from({ length: Number(more[0]) }, () => settle()));
    await Promise.all(clients.map((socket) => ask(socket, "join", "square")));
    say("ids:", new Set(clients.map((socket) => socket.id)).size);
    const received = Promise.all(clients.map((socket) => next(socket, "said")));
    clients[0].emit("tell", "io", { to: ["square"] }, "to all");
    say((await received).filter(([text]) => text === "to all").length, "received the first");
    const thrice = Promise.all(clients.slice(1).map((socket) => Promise.all([1, 2, 3].map(() => next(socket, "said")))));
    clients.slice(-3).forEach((socket) => socket.emit("tell", "io", { to: ["square"] }, "more"));
    say((await thrice).length, "received more");
  },

  // The longest event that is accepted, and one that is a byte too long. (`42["echo",""]` are 13.)
  async large() {
    const limit = Number(more[0]);
    const socket = await settle();
    const [answer] = await new Promise((resolve) => {
      socket.once("echoed", (...values) => resolve(values));
      socket.emit("echo", "x".repeat(limit - 13));
    });
    say("came back:", answer.length);
    const received = next(socket, "echoed");
    socket.emit("echo", "é".repeat((limit - 13) / 2)); // counted in bytes
    say("came back:", (await received)[0].length);
    socket.emit("echo", "x".repeat(limit - 12));
    say(await refused(socket));
  },

  async "large bytes"() {
    const limit = Number(more[0]);
    const socket = await settle();
    const most = transports === "polling" ? Math.floor((limit - 100) / 4) * 3 : limit;
    say((await ask(socket, "echo", Buffer.alloc(most, 7)))[0].length);
    socket.emit("echo", Buffer.alloc(most + 100, 7));
    say(await refused(socket));
  },

  // Events in both directions while the transport changes: all of them, once, in order.
  async flood() {
    const [numbers, echoes] = [[], []];
    let upgrade;
    const proxy = await startProxy(new Promise((resolve) => (upgrade = resolve)));
    const socket = create("", {}, proxy.address);
    await next(socket, "connect");
    const before = socket.io.engine.transport.name;
    socket.on("number", (n) => numbers.push(n));
    socket.on("echoed", (n) => echoes.push(n));
    socket.emit("count", 1000);
    let [sent, after] = [0, 0];
    while (after < 200) {
      if (sent === 100) upgrade();
      if (socket.io.engine.transport.name === "websocket") after++;
      socket.emit("echo", sent % 10 === 0 ? { n: sent++, bytes: Buffer.from("x") } : sent++);
      if (sent % 5 === 0) await pause(1);
    }
    while (echoes.length < sent || numbers.length < 1000) await pause(10);
    await ask(socket, "echo", "last");
    const ordered = (list) => list.every((n, i) => (n.n ?? n) === i);
    say("from", before, "to", socket.io.engine.transport.name);
    say("the server counted to", numbers.length, "in order:", ordered(numbers));
    say("all came back:", echoes.pop() === "last" && echoes.length === sent, "in order:", ordered(echoes));
    proxy.cut();
  },

  // What a server emits on connection: a history, and some images.
  async burst() {
    const socket = create();
    const [strokes, images] = [[], []];
    socket.on("stroke", (n) => strokes.push(n));
    await new Promise((resolve) => {
      socket.on("image", (image) => images.push(image.length) === 5 && resolve());
      socket.on("disconnect", resolve);
    });
    say(strokes.length, "in order:", strokes.every((n, i) => n === i), "images:", images);
  },

  async handshake() {
    const extraHeaders = { "X-Flavour": "vanilla" };
    const socket = await settle("", { query: { room: "차 & 커피" }, auth: { n: [1, null] }, extraHeaders });
    say(await ask(socket, "who am I?"));
    say((await ask(await settle("/news", { withCredentials: true }), "who am I?")).slice(1));
    say("an id of", socket.id.length, "and a session of", socket.io.engine.id.length);
    const options = { transports: ["websocket"], protocols: ["chat.v2", "chat.v1"] };
    const one = await settle("", options);
    say("protocol:", one.io.engine.transport.ws.protocol);
  },

  async "wrong path"() {
    const socket = create("", { path: "/elsewhere/" });
    const [error] = await next(socket, "connect_error");
    say(error.message, typeof error.description, error.type);
  },

  async "wrong version"() {
    for (const query of ["", "?transport=polling", "?EIO=3&transport=polling", "?EIO=4&transport=smoke"]) {
      const response = await fetch(`${url}/socket.io/${query}`);
      say(response.status, response.headers.get("content-type"), await response.text());
    }
  },

  // What a browser checks before a page may read a response.
  async cors() {
    const names = ["origin", "credentials", "methods", "headers"].map((name) => `access-control-allow-${name}`);
    const look = async (method, origin, headers = {}) => {
      const response = await fetch(`${url}/socket.io/?EIO=4&transport=polling`, { method, headers: { origin, ...headers } });
      say(method, origin, response.status);
      for (const name of names) say(" ", name, response.headers.get(name));
      say(" ", "vary", response.headers.get("vary")?.startsWith("Origin"));
    };
    const preflight = { "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-flavour,content-type" };
    for (const origin of ["http://good.example", "http://bad.example"]) {
      await look("GET", origin);
      await look("OPTIONS", origin, preflight);
      await look("OPTIONS", origin);
    }
  },

  // The ways in which a socket is disconnected, one a run.
  async disconnects() {
    const socket = await idle();
    await ask(socket, "join", "tea");
    socket.disconnect();
  },

  async "closes the engine"() {
    const socket = await idle();
    const reason = end(socket);
    socket.io.engine.close();
    say(await reason);
  },

  async "is disconnected"() {
    const socket = await idle();
    const reason = end(socket);
    socket.emit("disconnect me", more[0] === "closed");
    say(await reason, socket.active);
  },

  async "receives the last events"() {
    const socket = await idle();
    const events = [];
    socket.onAny((...event) => events.push(event));
    const reason = end(socket);
    socket.emit("disconnect me after events");
    say(await reason, events);
  },

  async "sees the server close"() {
    const socket = await idle();
    const reason = end(socket);
    socket.emit("close the server");
    say(await reason, socket.active);
  },

  async "is cut off"() {
    const proxy = await startProxy();
    const socket = await idle(proxy.address);
    if (transports === "polling") await proxy.held(); // else the server notices at its next heartbeat only
    const reason = end(socket);
    proxy.cut();
    say(await reason);
  },

  async "stalls"() {
    const proxy = await startProxy();
    const socket = await idle(proxy.address);
    const reason = end(socket);
    await pause(Number(more[0])); // some pings are answered
    say(socket.connected);
    proxy.stall();
    say(await reason);
    await pause(Number(more[0])); // until the server has noticed too
    proxy.cut();
  },

  // The test stops and restarts the server meanwhile.
  async reconnects() {
    const fast = { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 100 };
    const socket = await settle("", fast);
    const said = [];
    socket.on("said", (text) => said.push(text));
    say("connected");
    say(await end(socket), socket.active);
    for (let i = 1; i <= 100; i++) socket.emit("say", i);
    const answer = ask(socket, "echo", "an ack after all");
    await new Promise((resolve) => socket.io.once("reconnect_attempt", resolve));
    say("reconnecting");
    await next(socket, "connect");
    say("back", await answer);
    await settled(socket);
    while (said.length < 100) await pause(10);
    await ask(socket, "echo");
    say(said.length, "once and in order:", said.every((n, i) => n === i + 1));
  },
};

things[what]()
  .catch((error) => say("error:", error.message))
  .finally(() => {
    sockets.forEach((socket) => socket.disconnect());
    say("done");
  });
