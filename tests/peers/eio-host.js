// npm's engine.io as the server of npm_engineio.rs, with a page and plain WebSockets on the same port.
//   node eio-host.js HOST:PORT
const { Server } = require("engine.io");
const { WebSocketServer } = require("ws");
const http = require("node:http");
const [host, port] = process.argv[2].split(":");

const pages = http.createServer((request, response) => {
  let body = "";
  request.on("data", (chunk) => (body += chunk));
  request.on("end", () => {
    const sessions = Object.keys(engine.clients).length;
    response.end(`${sessions} ${request.socket.remoteAddress} ${request.method} ${request.url} ${body}`);
  });
});
const engine = new Server();
engine.attach(pages, { path: "/socket.io/", destroyUpgrade: false });
engine.on("connection", (session) => {
  session.on("message", (data) => session.send(data));
});

const feed = new WebSocketServer({ noServer: true });
feed.on("connection", (socket) => {
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
});
pages.on("upgrade", (request, socket, head) => {
  if (new URL(request.url, "http://a").pathname !== "/feed") return;
  feed.handleUpgrade(request, socket, head, (client) => feed.emit("connection", client, request));
});

pages.listen(port, host, () => console.log(`Server listening on ${host}:${pages.address().port}`));
