// The server of chapters 20 and 21 on npm's engine.io: it sends every message back.
//   node eio-server.js [HOST:PORT]
const { Server } = require("engine.io");
const http = require("node:http");
const address = process.argv[2] ?? "127.0.0.1:3000";
const [host, port] = address.split(":");

const pages = http.createServer((request, response) => response.writeHead(404).end());
const server = new Server();
server.attach(pages, { path: "/socket.io/" });

server.on("connection", (session) => {
  session.on("message", (data) => session.send(data));
});

pages.listen(port, host, () => console.log(`Server listening on ${address}`));
