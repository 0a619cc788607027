// Asks each of several servers for each operation, and prints what the clients of all observe.
//   node cluster.js URL...
const { io } = require("socket.io-client");

const urls = process.argv.slice(2);

/** A client that collects the events that it receives, up to the marker. */
const open = (url, name) => {
  const options = { auth: { name }, query: { from: "é" }, extraHeaders: { Origin: "http://a", "X-Name": name } };
  const socket = io(url, { ...options, forceNew: true, transports: ["websocket"] });
  const seen = [];
  const waiting = [];
  socket.on("done", () => waiting.shift()(seen.splice(0)));
  socket.onAny((event, ...args) => {
    if (event === "question" || event === "done") return;
    seen.push([event, ...args.map((arg) => (Buffer.isBuffer(arg) ? `bytes ${arg.toString("hex")}` : arg))]);
  });
  socket.on("disconnect", (reason) => seen.push(["disconnect", reason]));
  socket.on("question", (value, ack) => name !== "silent" && ack(`${name} ${value}`));
  socket.marker = () => new Promise((resolve) => waiting.push(resolve));
  return socket;
};

const connected = (socket) => new Promise((resolve) => socket.on("connect", resolve));
/** The data of a handshake, with its fields in order, and without what another run has otherwise. */
const comparable = ({ time, issued, ...handshake }) => {
  const recent = Math.abs(Date.now() - issued) < 60_000 && Math.abs(Date.parse(time) - issued) < 1000;
  const { host, "sec-websocket-key": key, ...headers } = handshake.headers;
  const sizes = { host: host.split(":").length, key: key.length };
  const inOrder = (object) => Object.fromEntries(Object.entries(object).sort());
  return inOrder({ ...handshake, recent, headers: { ...inOrder(headers), ...sizes }, query: inOrder(handshake.query) });
};
const sorted = (list) => list.map((item) => JSON.stringify(item)).sort();

(async () => {
  const clients = [];
  for (const [i, url] of urls.entries()) {
    for (const name of [`a${i}`, `b${i}`]) clients.push(open(url, name));
  }
  await Promise.all(clients.map(connected));
  const names = Object.fromEntries(clients.map((client) => [client.id, client.auth.name]));
  const named = (value) => JSON.parse(JSON.stringify(value).replace(/"([\w-]{20})"/g, (all, id) => `"${names[id] ?? all}"`));

  /** Lets client `by` ask its server, and prints what all have received until a marker from that server. */
  const observe = async (by, ...event) => {
    const markers = clients.map((client) => client.connected && client.marker());
    clients[by].emit(...event);
    clients[by].emit("to", [], [], "done");
    const seen = await Promise.all(markers);
    console.log(`server ${by / 2}: ${JSON.stringify(event.slice(0, 3))}`);
    for (const [i, events] of seen.entries()) {
      if (events && events.length) console.log(`  ${clients[i].auth.name}: ${JSON.stringify(named(events))}`);
    }
  };
  const ask = async (by, ...event) => {
    const answer = await clients[by].emitWithAck(...event);
    if (event[0] === "fetch") for (const socket of answer) socket.handshake = comparable(socket.handshake);
    return Array.isArray(answer) ? sorted(named(answer)) : answer;
  };

  // npm's servers hear their own request too, over Redis, and do nothing before.
  const untilInRoom = async (by, room, count) => {
    while ((await clients[by].emitWithAck("fetch", room)).length !== count);
  };

  for (const client of clients) await client.emitWithAck("join", client.auth.name[0]);
  for (let by = 0; by < clients.length; by += 2) {
    await observe(by, "to", [], [], "hello", by, { text: "héllo", list: [1, null, 2.5] });
    await observe(by, "to", ["a"], [], "to a", by);
    await observe(by, "to", ["a", "b"], ["b"], "to a, not b", by);
    await observe(by, "to", [], ["a"], "not a", by);
    await observe(by, "to", ["nobody"], [], "to nobody", by);
    await observe(by, "to", [], [], "bytes", Buffer.from([1, 2, 255]));
    await observe(by, "others", "others", by);
    await observe(by, "local", "local", by);
    await observe(by, "sockets join", "a", "c");
    await untilInRoom(by, "c", urls.length);
    await observe(by, "to", ["c"], [], "to c", by);
    console.log("  rooms", (await ask(by, "rooms")).join());
    console.log("  fetch c", (await ask(by, "fetch", "c")).map((text) => text.replace(/"rooms":\[.*?\]/, (rooms) => sorted(JSON.parse(rooms.slice(8))).join())).join());
    await observe(by, "sockets leave", "a", "c");
    await untilInRoom(by, "c", 0);
    await observe(by, "to", ["c"], [], "to c again", by);
    await observe(by, "server side", { by });
    console.log("  servers", await ask(by, "count"), JSON.stringify(await ask(by, "ask servers", by)));
    console.log("  asked", JSON.stringify((await new Promise((resolve) => clients[by].emit("ask", "a", 5000, (...args) => resolve(args)))).map((arg) => (Array.isArray(arg) ? arg.sort() : arg))));
  }
  const silent = open(urls[0], "silent");
  await connected(silent);
  await silent.emitWithAck("join", "a");
  const [error, answers] = await new Promise((resolve) => clients[2].emit("ask", "a", 500, (...args) => resolve(args)));
  console.log(`one is silent: ${error}, ${JSON.stringify(answers.sort())}`);
  silent.close();

  const left = clients.filter((client) => client.auth.name[0] === "b").map((client) => new Promise((resolve) => client.on("disconnect", resolve)));
  clients[0].emit("disconnect sockets", "b", false);
  console.log("disconnected:", (await Promise.all(left)).join());
  clients.forEach((client) => client.close());
})();
