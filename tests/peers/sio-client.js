// npm's socket.io-client, doing one thing and saying what it saw.
//   node sio-client.js URL LIBRARY TRANSPORTS WHAT …     (TRANSPORTS: polling, websocket, or both with a comma)
const { connect, createServer } = require("node:net");
const { inspect } = require("node:util");
const [url, library, transports, what, ...more] = process.argv.slice(2);
const { io } = require(library);

const show = (value) =>
  typeof value === "string" ? value : inspect(value, { depth: 9, breakLength: Infinity, compact: 99, maxArrayLength: null });
const say = (...values) => console.log(values.map(show).join(" "));
const sockets = [];

// A socket over a connection of its own, which stays away once it has gone.
function dial(path = "", options = {}, address = url) {
  const defaults = { transports: transports.split(","), reconnection: false, forceNew: true };
  const socket = io(address + path, { ...defaults, ...options });
  sockets.push(socket);
  return socket;
}

// The values of the next event of that name.
const next = (socket, name) => new Promise((resolve) => socket.once(name, (...values) => resolve(values)));
// The values of the answer to an event.
const ask = (socket, ...values) => new Promise((resolve) => socket.emit(...values, (...answer) => resolve(answer)));
// The reason of its end.
const end = (socket) => next(socket, "disconnect").then(([reason]) => reason);

// The same where the server refuses a POST: over polling the client hears of that twice, from the answer to
// the POST (`transport error`) and from the one to its GET (`transport close`), whichever comes first.
const refused = (socket) => end(socket).then((reason) => transports === "polling" ? "disconnected" : reason);

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Connected, and by the best of the transports.
async function settled(socket) {
  if (!socket.connected) await next(socket, "connect");
  const { engine } = socket.io;
  if (transports.includes(",") && engine.transport.name === "polling") await next(engine, "upgrade");
  return socket;
}

// All that belongs to an upgrade is over as well.
async function seated(address) {
  const socket = await settle("", {}, address);
  await ask(socket, "echo");
  await pause(100); // for its next GET to be there
  return socket;
}

const settle = (...where) => settled(dial(...where));

// A door through which the server is reached, and which can be slammed or go quiet. WebSockets wait before it
// for what it is given.
async function door(websockets) {
  const pipes = [];
  let quiet = false;
  const server = createServer((inside) => {
    const outside = connect(new URL(url).port, "127.0.0.1");
    inside.once("data", async (head) => {
      if (head.includes("transport=websocket")) await websockets;
      if (quiet) return;
      outside.write(head);
      inside.pipe(outside).pipe(inside);
    });
    // Whether a GET has gone to the server that it has not answered yet.
    inside.on("data", (chunk) => (inside.waits = chunk.toString("latin1").startsWith("GET")));
    outside.on("data", () => (inside.waits = false));
    pipes.push(inside, outside);
    [inside, outside].forEach((pipe) => pipe.on("error", () => {}));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `http://127.0.0.1:${server.address().port}`,
    silence: () => ((quiet = true), pipes.forEach((pipe) => (pipe.unpipe(), pipe.pause()))),
    async held() {
      while (!pipes.some((pipe) => pipe.waits)) await pause(5);
    },
    slam: () => (server.close(), pipes.forEach((pipe) => pipe.destroy())),
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
      const heard = next(socket, "heard");
      say(await ask(socket, "echo", ...values), await heard);
    }
    for (const name of ["echo", "이름", "", "message", "error", "with space\n"]) socket.emit(name, name);
    say(await next(socket, "heard"));
  },

  async binary() {
    const socket = await settle();
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    const views = [bytes, bytes.buffer, bytes.subarray(100, 103), Buffer.from("안녕"), new Uint8Array(0)];
    const nested = { a: [bytes.subarray(1, 3), { b: bytes.subarray(0, 1) }], n: 1, c: [null, [Buffer.from("x")]] };
    const ten = Array.from({ length: 10 }, (_, i) => Buffer.alloc(i, i));
    for (const values of [...views.map((view) => [view]), [nested, "text", views[3]], [ten]]) {
      const heard = next(socket, "heard");
      say(await ask(socket, "echo", ...values), await heard);
    }
    socket.on("question", (...values) => values.pop()(...values.reverse()));
    socket.emit("ask", 5000, nested, 1, bytes);
    say(await next(socket, "answered"));
    const big = Buffer.alloc(500_000, "0123456789");
    say((await ask(socket, "echo", big))[0].equals(big));
    socket.emit("echo", [...ten, Buffer.from("one too many")]);
    await end(socket);
    say("one too many, and out");
  },

  async acks() {
    const socket = await settle();
    say(await Promise.all([1, 2, 3].map((i) => ask(socket, "echo", i))));
    const limited = (limit, ...values) =>
      new Promise((resolve) => socket.timeout(limit).emit(...values, (...answer) => resolve(answer)));
    say(await limited(5000, "echo", "in time"));
    say((await limited(50, "nobody answers this")).map((error) => error.message));
    say(await socket.emitWithAck("echo", "a promise", 2));
    say(await socket.timeout(50).emitWithAck("nor this").catch((error) => error.message));
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
    news.emit("say", "the news");
    socket.on("said", () => say("HEARD ELSEWHERE"));
    say(await next(news, "said"));
    news.disconnect();
    say("left:", news.connected, socket.connected, await ask(locked, "echo", "still here"));
    say("and back:", (await settled(news.connect())).connected, await ask(news, "echo", "again"));
    locked.emit("throw me out", false);
    say(await end(locked), socket.connected, locked.active);
    news.emit("throw me out", true);
    say(await Promise.all([socket, news, odd].map((one) => end(one))));
  },

  // Who is in which rooms, and who hears what. What each has heard is known once all have had an
  // answer: what was sent before it has come by then.
  async rooms() {
    const names = ["ann", "bob", "cho", "dan"];
    const all = await Promise.all(names.map(() => settle()));
    const [ann, bob, cho] = all;
    const heard = {};
    all.forEach((socket, i) => socket.on("said", (text) => ((heard[text] ??= []), heard[text].push(names[i]))));
    say(await ask(ann, "join", "tea", "tea"), await ask(bob, "join", "tea", "news"), await ask(cho, "join", "news"));
    const tells = [
      ["io", {}, "all"], ["broadcast", {}, "all but Ann"], ["io", { to: ["tea"] }, "tea"],
      ["io", { to: ["tea", "news"] }, "tea or news"], ["broadcast", { to: ["tea"] }, "tea but Ann"],
      ["io", { except: ["news"] }, "not news"], ["io", { to: ["tea"], except: ["news"] }, "tea, not news"],
      ["broadcast", { except: ["tea"] }, "not tea, nor Ann"], ["io", { to: ["nobody"] }, "nobody"],
      ["io", { to: [bob.id] }, "Bob"], ["io", { except: [bob.id, cho.id] }, "neither Bob nor Cho"],
    ];
    tells.forEach((tell) => ann.emit("tell", ...tell));
    await ask(ann, "leave", "tea");
    await ask(ann, "leave", "a room that she was never in");
    ann.emit("tell", "io", { to: ["tea"] }, "tea without Ann");
    for (const socket of all) await ask(socket, "echo");
    await pause(50);
    for (const text of Object.keys(heard).sort()) say(text + ":", heard[text].sort().join(" "));
    const gone = Promise.all([end(bob), end(cho)]);
    ann.emit("throw everybody out", "news");
    say(await gone, ann.connected);
  },

  async any() {
    const socket = await settle();
    socket.onAny((...event) => say("any:", event));
    socket.onAnyOutgoing?.((...event) => say("outgoing:", event.filter((value) => typeof value !== "function")));
    say(await ask(socket, "echo", 1, [2]));
    socket.offAny();
    say(await ask(socket, "echo", "nobody listens"));
    say(await ask(socket, 1, "a number's name"));
  },

  async volatile() {
    const early = dial();
    early.volatile.emit("echo", "lost"); // there is no connection yet
    early.emit("echo", "kept");
    say(await next(early, "heard"));
    const socket = await seated();
    socket.volatile.emit("tick");
    say(await next(socket, "tick"));
  },

  async crowd() {
    const crowd = await Promise.all(Array.from({ length: Number(more[0]) }, () => settle()));
    await Promise.all(crowd.map((socket) => ask(socket, "join", "square")));
    say("ids:", new Set(crowd.map((socket) => socket.id)).size);
    const heard = Promise.all(crowd.map((socket) => next(socket, "said")));
    crowd[0].emit("tell", "io", { to: ["square"] }, "the news");
    say((await heard).filter(([text]) => text === "the news").length, "heard the news");
    const thrice = Promise.all(crowd.slice(1).map((socket) => Promise.all([1, 2, 3].map(() => next(socket, "said")))));
    crowd.slice(-3).forEach((socket) => socket.emit("tell", "io", { to: ["square"] }, "more"));
    say((await thrice).length, "heard more");
  },

  // The longest event that is taken, and one that is a byte too long. (`42["echo",""]` are 13.)
  async large() {
    const limit = Number(more[0]);
    const socket = await settle();
    const [answer] = await new Promise((resolve) => {
      socket.once("heard", (...values) => resolve(values));
      socket.emit("echo", "x".repeat(limit - 13));
    });
    say("came back:", answer.length);
    const heard = next(socket, "heard");
    socket.emit("echo", "é".repeat((limit - 13) / 2)); // counted in bytes
    say("came back:", (await heard)[0].length);
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
    const way = await door(new Promise((resolve) => (upgrade = resolve)));
    const socket = dial("", {}, way.address);
    await next(socket, "connect");
    const before = socket.io.engine.transport.name;
    socket.on("number", (n) => numbers.push(n));
    socket.on("heard", (n) => echoes.push(n));
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
    way.slam();
  },

  // What a server says to a newcomer: a history, and some images.
  async burst() {
    const socket = dial();
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
    say("speaks", one.io.engine.transport.ws.protocol);
  },

  async "wrong path"() {
    const socket = dial("", { path: "/elsewhere/" });
    const [error] = await next(socket, "connect_error");
    say(error.message, typeof error.description, error.type);
  },

  async "wrong version"() {
    for (const query of ["", "?transport=polling", "?EIO=3&transport=polling", "?EIO=4&transport=smoke"]) {
      const response = await fetch(`${url}/socket.io/${query}`);
      say(response.status, response.headers.get("content-type"), await response.text());
    }
  },

  // What a browser would look at before it lets a page see an answer.
  async cors() {
    const names = ["origin", "credentials", "methods", "headers"].map((name) => `access-control-allow-${name}`);
    const look = async (method, origin, headers = {}) => {
      const response = await fetch(`${url}/socket.io/?EIO=4&transport=polling`, { method, headers: { origin, ...headers } });
      say(method, origin, response.status);
      for (const name of names) say(" ", name, response.headers.get(name));
      say(" ", "vary", response.headers.get("vary")?.startsWith("Origin"));
    };
    const asks = { "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-flavour,content-type" };
    for (const origin of ["http://good.example", "http://bad.example"]) {
      await look("GET", origin);
      await look("OPTIONS", origin, asks);
      await look("OPTIONS", origin);
    }
  },

  // The ends of a socket, one a run.
  async leaves() {
    const socket = await seated();
    await ask(socket, "join", "tea");
    socket.disconnect();
  },

  async "the engine leaves"() {
    const socket = await seated();
    const gone = end(socket);
    socket.io.engine.close();
    say(await gone);
  },

  async "is thrown out"() {
    const socket = await seated();
    const gone = end(socket);
    socket.emit("throw me out", more[0] === "closed");
    say(await gone, socket.active);
  },

  async "hears the last words"() {
    const socket = await seated();
    const words = [];
    socket.onAny((...word) => words.push(word));
    const gone = end(socket);
    socket.emit("throw me out, with words");
    say(await gone, words);
  },

  async "sees the house close"() {
    const socket = await seated();
    const gone = end(socket);
    socket.emit("close the house");
    say(await gone, socket.active);
  },

  async "door slams"() {
    const way = await door();
    const socket = await seated(way.address);
    if (transports === "polling") await way.held(); // else only the heartbeat tells the server
    const gone = end(socket);
    way.slam();
    say(await gone);
  },

  async "line goes quiet"() {
    const way = await door();
    const socket = await seated(way.address);
    const gone = end(socket);
    await pause(Number(more[0])); // some pings are answered
    say(socket.connected);
    way.silence();
    say(await gone);
    await pause(Number(more[0])); // until the server has noticed as well
    way.slam();
  },

  // Whoever started this stops and starts the server meanwhile.
  async comeback() {
    const fast = { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 100 };
    const socket = await settle("", fast);
    const said = [];
    socket.on("said", (text) => said.push(text));
    say("connected");
    say(await end(socket), socket.active);
    for (let i = 1; i <= 100; i++) socket.emit("say", i);
    const answer = ask(socket, "echo", "an answer after all");
    await new Promise((resolve) => socket.io.once("reconnect_attempt", resolve));
    say("gone");
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
