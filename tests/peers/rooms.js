// The server of the example `rooms` on npm's socket.io.   node rooms.js [HOST:PORT]
const { createServer } = require("node:http");
const { Server } = require("socket.io");
const address = process.argv[2] ?? "127.0.0.1:3000";
const [host, port] = address.split(":");

const server = createServer();
const io = new Server(server);

io.use((socket, next) => {
  const { name } = socket.handshake.auth;
  if (typeof name !== "string") return next(new Error("Who are you?"));
  socket.data.name = name;
  next();
});

io.on("connection", (socket) => {
  socket.on("join", (room, answer) => {
    socket.join(room);
    answer();
  });
  socket.on("tell", (room, text) => socket.to(room).emit("told", socket.data.name, text));
});

const admin = io.of("/admin");

admin.use((socket, next) => {
  if (socket.handshake.auth.token === "secret") return next();
  next(Object.assign(new Error("Not you"), { data: { needs: "a token" } }));
});

admin.on("connection", (socket) => {
  socket.on("announce", (text) => io.to("tea").to("news").emit("told", "the admin", text));
  socket.on("who", async (room, answer) => {
    const sockets = await io.in(room).fetchSockets();
    answer(sockets.map((socket) => socket.data.name).sort());
  });
  socket.on("close", (room) => io.in(room).disconnectSockets());
});

server.listen(port, host, () => console.log(`Server listening on port ${port}`));
