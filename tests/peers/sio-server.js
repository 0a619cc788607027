// npm's socket.io as a server for our client: a chat that obeys commands on its standard input, or kills
// itself at an event.   node sio-server.js [PORT] [upgrade|poll|binary|msgpack]
const { createServer } = require("node:http");
const { createInterface } = require("node:readline");
const { Server } = require("socket.io");
const say = (...words) => console.log(words.join(" ").trim());

const [port = "0", end] = process.argv.slice(2);
const die = () => process.kill(process.pid, "SIGKILL");
const server = createServer();
const io = new Server(server, end === "msgpack" ? { parser: require("socket.io-msgpack-parser") } : {});

if (end === "poll") server.on("request", (request) => request.url.includes("sid=") && die());
io.engine.on("connection", (connection) => {
  if (end === "upgrade") connection.on("upgrading", die);
  if (end === "binary") connection.on("packet", ({ data }) => data instanceof Buffer && die());
});

const addListeners = (socket) => {
  say("in", socket.nsp.name);
  socket.onAny((name, ...args) => {
    const values = args.filter((value) => typeof value !== "function");
    say(name, ...values.map((value) => JSON.stringify(value)));
  });
  socket.on("echo", (...args) => args.pop()(...args));
  socket.on("back", (...args) => socket.emit("back", ...args));
  socket.on("transport", (answer) => answer(socket.conn.transport.name));
  socket.on("say", (text) => io.emit("said", text));
  socket.on("join", (room) => socket.join(room));
  socket.on("leave", (room) => socket.leave(room));
  socket.on("tell", (room, text) => io.to(room).emit("said", text));
  socket.on("disconnect", (reason) => say("left:", reason));
};
io.on("connection", addListeners);
const admin = io.of("/admin").on("connection", addListeners);
admin.use((socket, next) => {
  if (socket.handshake.auth.token === "right") return next();
  next(Object.assign(new Error("Not you"), { data: { code: 7 } }));
});
io.of("/curious").use((socket, next) => {
  socket.emit("who?", (name) => say("it is", name));
  setTimeout(next, 100);
});

createInterface({ input: process.stdin }).on("line", (line) => {
  if (line === "out") io.disconnectSockets();
  if (line === "all out") io.disconnectSockets(true);
  if (line === "ask") {
    io.timeout(2000).emit("who?", Buffer.from([1]), (error, answers) => say("answers:", error ?? JSON.stringify(answers)));
  }
});
server.listen(Number(port), "127.0.0.1", () => say(server.address().port));
