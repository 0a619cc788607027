// The chat of chapter 28 in Node, with others over Redis.   node chat-redis.js HOST:PORT REDIS_URL
const { createServer } = require("node:http");
const { Server } = require("socket.io");
const { createAdapter } = require("@socket.io/redis-adapter");
const { createClient } = require("redis");

(async () => {
  const [address, url] = process.argv.slice(2);
  const server = createServer();
  const io = new Server(server);
  const publisher = createClient({ url }).on("error", () => {});
  const subscriber = publisher.duplicate().on("error", () => {});
  await Promise.all([publisher.connect(), subscriber.connect()]);
  io.adapter(createAdapter(publisher, subscriber));

  io.on("connection", (socket) => {
    socket.on("join", (room) => socket.join(room));
    socket.on("tell", (room, text) => io.to(room).emit("said", text));
  });
  const [host, port] = address.split(":");
  server.listen(port, host, () => console.log(`Server listening on port ${port}`));
})();
