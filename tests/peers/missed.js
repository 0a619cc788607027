// The server of the example `recovery` on npm's socket.io.   node missed.js [HOST:PORT]
const { createServer } = require("node:http");
const { Server } = require("socket.io");
const address = process.argv[2] ?? "127.0.0.1:3000";
const [host, port] = address.split(":");
const server = createServer();

const io = new Server(server, { connectionStateRecovery: {} });
io.on("connection", (socket) => {
  if (!socket.recovered) socket.join("tea");
  socket.on("say", (text) => io.to("tea").emit("said", text));
  socket.on("disconnect", (reason) => socket.to("tea").emit("left", reason));
});
server.listen(port, host, () => console.log(`Server listening on port ${port}`));
