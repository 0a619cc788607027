// The server of chapter 18 on npm's ws, with our own page.   node ws-page.js [HOST:PORT]
const fs = require("node:fs");
const http = require("node:http");
const { WebSocketServer } = require("ws");
const [host, port] = (process.argv[2] ?? "127.0.0.1:8080").split(":");
const page = fs.readFileSync(`${__dirname}/../../src/bin/pages/ws.html`);

const pages = http.createServer((request, response) => response.end(page));
const server = new WebSocketServer({ server: pages });

server.on("connection", (socket) => {
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
});

pages.listen(port, host, () => console.log(`Server listening on port ${pages.address().port}`));
