// npm's engine.io as the server of npm_engineio.rs, with a page and plain WebSockets on the same port.
//   node eio-host.js HOST:PORT OPTIONS
const { Server } = require("engine.io");
const { WebSocketServer } = require("ws");
const http = require("node:http");
const [host, port] = process.argv[2].split(":");
const options = JSON.parse(process.argv[3] ?? "{}");
const say = (...words) => console.log(words.join(" "));

const pages = http.createServer((request, response) => {
  let body = "";
  request.on("data", (chunk) => (body += chunk));
  request.on("end", () => {
    const sessions = Object.keys(engine.clients).length;
    response.end(`${sessions} ${request.socket.remoteAddress} ${request.method} ${request.url} ${body}`);
  });
});
const allowRequest = (request, callback) => callback(undefined, !("x-refuse" in request.headers));
const engine = new Server({ allowRequest, ...options });
engine.attach(pages, { path: "/socket.io/", destroyUpgrade: false });
const random = engine.generateId;
engine.generateId = (request) => request.headers["x-id"] ?? random(request);
engine.on("initial_headers", (headers, request) => {
  say("initial_headers", request.method);
  headers["X-Initial"] = "yes";
});
engine.on("headers", (headers, request) => {
  say("headers", request.method);
  headers["X-Every"] = "yes";
});
engine.on("connection_error", ({ req, code, message, context }) => {
  say("connection_error", code, message, JSON.stringify(context), req.method, req.url);
});
const show = ({ type, data }) => JSON.stringify({ type, data });
engine.on("connection", (session) => {
  say("connection");
  if ("x-events" in session.request.headers) {
    for (const name of ["packet", "packetCreate"]) session.on(name, (packet) => say(name, show(packet)));
    session.on("flush", (packets) => say(`flush [${packets.map(show)}]`));
    for (const name of ["upgrading", "upgrade"]) session.on(name, (transport) => say(name, transport.name));
    for (const name of ["heartbeat", "drain"]) session.on(name, () => say(name));
    session.on("message", (data) => say("message", data));
    session.on("close", (reason) => say("close", reason));
  }
  session.on("message", (data) => (data === "close" ? session.close() : session.send(data)));
});

const feed = new WebSocketServer({ noServer: true });
feed.on("connection", (socket) => {
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
});
pages.on("upgrade", (request, socket, head) => {
  if (new URL(request.url, "http://a").pathname !== "/feed") return;
  feed.handleUpgrade(request, socket, head, (client) => feed.emit("connection", client, request));
});

pages.listen(port, host, () => say(`Server listening on ${host}:${pages.address().port}`));
