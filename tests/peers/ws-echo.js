// The server of chapter 17 on npm's ws.   node ws-echo.js [HOST:PORT]
const { WebSocketServer } = require("ws");
const address = process.argv[2] ?? "127.0.0.1:8080";
const [host, port] = address.split(":");

const server = new WebSocketServer({ host, port });

server.on("connection", (socket) => {
  console.log("Client connected");
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  socket.on("close", (code) => console.log(`Client disconnected (${code})`));
  socket.on("pong", () => (socket.isAlive = true));
  socket.isAlive = true;
});

setInterval(() => {
  for (const socket of server.clients) {
    if (!socket.isAlive) socket.terminate();
    socket.isAlive = false;
    socket.ping();
  }
}, 30_000);

server.on("listening", () => console.log(`Server listening on port ${port}`));
