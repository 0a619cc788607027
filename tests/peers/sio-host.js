// npm's socket.io as a server with the listeners of the one in npm_socketio.rs: a client must observe the
// same with both.   node sio-host.js HOST:PORT OPTIONS
const { createServer } = require("node:http");
const { readFileSync } = require("node:fs");
const { Server } = require("socket.io");
const [address, options] = process.argv.slice(2);
const [host, port] = address.split(":");
const say = (...words) => console.log(words.join(" "));

// A page with the official client in it.
const bundle = require.resolve("socket.io-client/package.json").replace("package.json", "dist/socket.io.min.js");
const http = createServer((request, response) => {
  response.setHeader("Content-Type", "text/html; charset=utf-8");
  if (request.url === "/") return response.end('<!doctype html><script src="/client.js"></script>');
  response.statusCode = request.url === "/client.js" ? 200 : 404;
  response.end(request.url === "/client.js" ? readFileSync(bundle) : "");
});
const { parser, ...others } = JSON.parse(options ?? "{}");
const io = new Server(http, { ...others, ...(parser && { parser: require(parser) }), serveClient: false });

function addListeners(socket) {
  socket.on("echo", (...values) => {
    const ack = typeof values.at(-1) === "function" ? values.pop() : () => {};
    socket.emit("echoed", ...values);
    ack(...values);
    ack("a second ack, which must not arrive");
  });
  socket.on("1", (value, ack) => ack(value));
  socket.on("ask", (limit, ...values) => {
    socket.timeout(limit).emit("question", ...values, (error, ...answer) => {
      error ? say("no answer:", error.message) : socket.emit("answered", ...answer);
    });
  });
  socket.on("join", (...rooms) => {
    const ack = rooms.pop();
    rooms.forEach((room) => socket.join(room));
    ack([...socket.rooms].filter((room) => room !== socket.id).sort(), socket.rooms.has(socket.id));
  });
  socket.on("leave", (room, ack) => {
    socket.leave(room);
    ack();
  });
  socket.on("tell", (target, { to = [], except = [] }, text) => {
    const all = { io, broadcast: socket.broadcast }[target];
    all.to(to).except(except).emit("said", text);
  });
  socket.on("say", (text) => socket.nsp.emit("said", text));
  socket.on("tick", () => socket.volatile.emit("tick", 1));
  socket.on("who am I?", (ack) => {
    const { query, headers, auth } = socket.handshake;
    const { EIO, transport, room } = query;
    ack({ EIO, transport, room }, headers["x-flavour"] ?? null, auth, socket.data);
  });
  socket.on("count", async (numbers) => {
    for (let i = 0; i < numbers; i++) {
      socket.emit("number", i);
      if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
  });
  socket.on("disconnect me", (close) => socket.disconnect(close));
  socket.on("disconnect me after events", () => {
    for (const value of [1, Buffer.from("2"), 3]) socket.emit("last", value);
    socket.disconnect(true);
  });
  socket.on("disconnect the room", (room) => io.in(room).disconnectSockets(true));
  socket.on("close the server", () => io.close());
  socket.on("disconnecting", () => say(socket.nsp.name, "still in", socket.rooms.size, "rooms"));
  socket.on("disconnect", (reason) => say(socket.nsp.name, reason));
}

for (const name of ["/", "/news", "/이름 with spaces?x=1"]) io.of(name).on("connection", addListeners);
io.of("/locked").on("connection", addListeners);
io.of("/locked").use((socket, next) => {
  const { password } = socket.handshake.auth;
  if (password === undefined) return next(new Error("Who are you?"));
  socket.data = { password };
  if (password === "Sesame") return next();
  next(Object.assign(new Error("Wrong password"), { data: { given: password, hints: ["seeds", null] } }));
});

http.listen(port, host, () => say("Server listening on port", http.address().port));
