// The server of chapter 14 on npm's ws.   node ws-close.js [HOST:PORT]
const { WebSocketServer } = require("ws");
const address = process.argv[2] ?? "127.0.0.1:3000";
const [host, port] = address.split(":");

const server = new WebSocketServer({ host, port });

server.on("connection", (socket) => {
  socket.on("message", (data, isBinary) => {
    if (data.toString() === "bye") socket.close(1000, "as you wish");
    else socket.send(data, { binary: isBinary });
  });
  socket.on("close", (code, reason) => console.log(`Closed: ${code} "${reason}"`));
});

server.on("listening", () => console.log(`Server listening on ${address}`));
