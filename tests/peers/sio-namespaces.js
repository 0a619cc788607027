// npm's socket.io as a server with the namespaces, rooms and listeners of the one in npm_namespaces.rs: a client
// must observe the same with both.   node sio-namespaces.js OPTIONS
const { createServer } = require("node:http");
const { Server } = require("socket.io");
const http = createServer();
const io = new Server(http, JSON.parse(process.argv[2]));

// What has happened, with the names of the clients instead of their ids.
const log = [];
const names = new Map();
const note = (...words) => log.push(words.map((word) => names.get(word) ?? word).join(" ").trim());

const keepName = (socket, next) => {
  names.set(socket.id, socket.handshake.auth.name);
  next(socket.handshake.auth.refuse ? new Error("refused") : undefined);
};
const watch = (namespace) => {
  for (const name of ["create-room", "join-room", "leave-room", "delete-room"]) {
    namespace.adapter.on(name, (room, id = "") => note(name, namespace.name, room, id));
  }
};

const parent = io.of((name, auth, next) => next(null, name.startsWith("/room-") && auth.token !== "wrong"));
io.on("new_namespace", (namespace) => {
  note("new", namespace.name);
  watch(namespace);
});
watch(io.of("/"));

for (const namespace of [io, parent]) {
  namespace.use(keepName);
  namespace.on("connection", (socket) => {
    const nsp = socket.nsp;
    note("connected", nsp.name, socket.id);
    socket.on("join", (rooms, ack) => (socket.join(rooms), ack()));
    socket.on("leave", (room, ack) => (socket.leave(room), ack()));
    socket.on("rooms", (ack) => ack([...socket.rooms].map((room) => names.get(room) ?? room)));
    socket.on("who", async (to, except, ack) => {
      const sockets = await nsp.to(to).except(except).fetchSockets();
      ack(sockets.map(({ id }) => names.get(id)));
    });
    socket.on("all rooms", (ack) => {
      const rooms = [...nsp.adapter.rooms].filter(([room]) => !names.has(room));
      ack(rooms.map(([room, ids]) => [room, [...ids].map((id) => names.get(id))]).sort());
    });
    socket.on("find", (name, ack) => {
      const id = [...names.keys()].findLast((id) => names.get(id) === name);
      ack(nsp.sockets.has(id), nsp.sockets.size);
    });
    socket.on("tell all children", (...values) => parent.emit("told", ...values));
    socket.on("children", (ack) => ack([...parent.children].map(({ name }) => name).sort()));
    socket.on("move", (from, to, ack) => (nsp.in(from).socketsJoin(to), nsp.in(to).socketsLeave(from), ack()));
    socket.on("disconnect them", (room, close) => nsp.to(room).disconnectSockets(close));
    socket.on("log", (ack) => ack(log.splice(0)));
    for (const name of ["disconnecting", "disconnect"]) {
      socket.on(name, (reason, details) => note(name, nsp.name, socket.id, `(${socket.rooms.size} rooms)`, reason, details?.message ?? ""));
    }
  });
}
http.listen(0, "127.0.0.1", () => console.log(http.address().port));
