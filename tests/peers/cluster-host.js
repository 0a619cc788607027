// One of several servers that share their rooms over Redis.   node cluster-host.js HOST:PORT REDIS_URL
// A client asks it for an operation by an event of that name; tests/peers/redis.rs has the same in Rust.
const { createServer } = require("node:http");
const { Server } = require("socket.io");
const { createAdapter } = require("@socket.io/redis-adapter");
const { createClient } = require("redis");

(async () => {
  const [host, port] = process.argv[2].split(":");
  const clients = [createClient({ url: process.argv[3] }), createClient({ url: process.argv[3] })];
  for (const client of clients) client.on("error", () => {});
  await Promise.all(clients.map((client) => client.connect()));
  const server = createServer();
  const io = new Server(server, { adapter: createAdapter(...clients) });

  for (const nsp of [io.of("/"), io.of("/news")]) {
    nsp.on("connection", (socket) => {
      socket.data = socket.handshake.auth;
      socket.on("join", (room, ack) => ack(socket.join(room)));
      socket.on("to", (rooms, except, ...event) => nsp.to(rooms).except(except).emit(...event));
      socket.on("others", (...event) => socket.broadcast.emit(...event));
      socket.on("local", (...event) => nsp.local.emit(...event));
      socket.on("sockets join", (room, other) => nsp.in(room).socketsJoin(other));
      socket.on("sockets leave", (room, other) => nsp.in(room).socketsLeave(other));
      socket.on("disconnect sockets", (room, close) => nsp.in(room).disconnectSockets(close));
      socket.on("fetch", async (room, ack) => {
        const sockets = await nsp.in(room).fetchSockets();
        ack(sockets.map(({ id, handshake, rooms, data }) => ({ id, handshake, rooms: [...rooms], data })));
      });
      socket.on("rooms", async (ack) => ack([...(await nsp.adapter.allRooms())]));
      socket.on("count", async (ack) => ack(await nsp.adapter.serverCount()));
      socket.on("server side", (value) => nsp.serverSideEmit("heard", value));
      socket.on("ask servers", async (value, ack) => ack(await nsp.serverSideEmitWithAck("question", value)));
      socket.on("ask", async (room, time, ack) => {
        try {
          ack(null, await nsp.timeout(time).to(room).emitWithAck("question", 1));
        } catch (e) {
          ack(e.message, e.responses);
        }
      });
    });
    nsp.on("heard", (value) => nsp.local.emit("heard", value));
    nsp.on("question", (value, ack) => ack(value + 1));
  }
  server.listen(+port, host, () => console.log(`Server listening on port ${server.address().port}`));
})();
