// A Socket.IO server that shows the handshake and the events of its sessions, or a client that asks for them:
// node handshake.js server | show URL TRANSPORT | upgrade URL

function serve() {
  const { Server } = require("socket.io");
  const { createServer } = require("node:http");
  const http = createServer();
  const io = new Server(http);
  const addListeners = (socket) => {
    const { conn } = socket;
    const lines = [`connected over ${conn.transport.name}`];
    conn.on("upgrading", (transport) => lines.push(`upgrading ${transport.name}`));
    conn.on("upgrade", (transport) => lines.push(`upgrade ${transport.name}`));
    for (const name of ["packet", "packetCreate"]) {
      conn.on(name, ({ type, data }) => type !== "noop" && lines.push(`${name} ${type} ${data}`));
    }
    conn.on("close", (reason) => console.log(`close ${reason}`));
    socket.on("handshake", (ack) => ack(socket.handshake));
    socket.on("events", (ack) => ack([...lines, `now over ${conn.transport.name}`]));
  };
  io.on("connection", addListeners);
  io.of("/admin").on("connection", addListeners);
  http.listen(0, "127.0.0.1", () => console.log("Server listening on port", http.address().port));
}

// Without what differs from run to run.
function show({ headers, url, query, auth, address, xdomain, secure, issued }) {
  headers.host = headers.host.replace(/\d+$/, "PORT");
  if (headers["sec-websocket-key"]) headers["sec-websocket-key"] = "KEY";
  url = url.replace(/&t=[^&]*/, "&t=T");
  if (query.t) query.t = "T";
  // Where npm's server has a list of values, ours has the last.
  for (const name in query) if (Array.isArray(query[name])) query[name] = query[name].at(-1);
  const sorted = (object) => Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [name, value] of sorted(headers)) console.log("header", name, value);
  for (const [name, value] of sorted(query)) console.log("query", JSON.stringify([name, value]));
  console.log("url", url);
  console.log("auth", JSON.stringify(auth));
  console.log("address", address);
  console.log("xdomain", xdomain, "secure", secure);
  console.log("issued", Math.abs(Date.now() - issued) < 60_000 ? "now" : issued);
}

const { io } = require("socket.io-client");
const { NodeWebSocket, NodeXHR } = require("engine.io-client");

// The client's transport, with names in the query that come more than once.
function repeating(Transport) {
  return class extends Transport {
    uri() {
      return `${super.uri()}&color=red&color=dark%20blue&flag&color=a+b`;
    }
  };
}

async function ask(namespace, options, auth) {
  const headers = { "X-Flavour": "mint, lemon", ...options.headers };
  const socket = io(url + namespace, {
    forceNew: true,
    reconnection: false,
    transports: [repeating(transport === "polling" ? NodeXHR : NodeWebSocket)],
    extraHeaders: headers,
    query: { "na me/ä": "tä & st=1", empty: "", "plus+": "a+b", "100%": "%41" },
    auth,
  });
  socket.on("connect_error", (error) => console.log("connect_error", error.message));
  console.log("namespace", namespace || "/");
  show(await socket.emitWithAck("handshake"));
  socket.disconnect();
}

async function askAll() {
  await ask("", {});
  await ask("/admin", { headers: { Origin: "http://example.com" } }, { token: "ä", list: [1, null] });
}

// The WebSocket is not opened before the namespace is connected, so that the listeners get each event.
async function upgrade() {
  let connect;
  const connected = new Promise((resolve) => (connect = resolve));
  class LateWebSocket extends NodeWebSocket {
    doOpen() {
      connected.then(() => super.doOpen());
    }
  }
  const socket = io(url, { transports: [NodeXHR, LateWebSocket] });
  socket.on("connect", connect);
  await connected;
  await new Promise((resolve) => socket.io.engine.on("upgrade", resolve));
  socket.emit("hello", "world");
  for (const line of await socket.emitWithAck("events")) console.log(line);
  socket.disconnect();
}

const [what, url, transport] = process.argv.slice(2);
({ server: serve, show: askAll, upgrade })[what]();
