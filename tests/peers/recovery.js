// npm's socket.io with connection state recovery: a server with the listeners of the one in recovery.rs, or a
// client that obeys its standard input.   node recovery.js server OPTIONS | client URL TRANSPORTS
const { createServer } = require("node:http");
const { createInterface } = require("node:readline");
const { Server } = require("socket.io");
const { io: connect } = require("socket.io-client");
const say = (...words) => console.log(words.join(" "));

function serve(options) {
  const http = createServer();
  const io = new Server(http, JSON.parse(options));
  io.use((socket, next) => {
    say("middleware:", socket.recovered);
    next();
  });
  io.on("connection", (socket) => {
    const rooms = [...socket.rooms].filter((room) => room !== socket.id);
    socket.emit("state", socket.recovered, rooms, socket.data);
    socket.on("join", (room, data) => {
      socket.join(room);
      socket.data = data;
      socket.emit("question", () => {});
      socket.emit("joined");
    });
    socket.on("close the connection", () => socket.conn.close());
    socket.on("disconnect", (reason) => {
      socket.emit("direct", 1);
      io.emit("all", Buffer.from("2"));
      io.to("tea").emit("room", { n: 3 });
      io.to("coffee").emit("another room");
      io.except("tea").emit("others");
      socket.to("tea").emit("others");
      io.volatile.emit("volatile");
      io.to("coffee").to("tea").emit("rooms", 4, "5");
      say("disconnected:", reason);
    });
  });
  http.listen(0, "127.0.0.1", () => say(http.address().port));
}

function converse(url, transports) {
  const socket = connect(url, { transports: transports.split(","), reconnection: false });
  let lastId;
  socket.on("connect", () => {
    say("connected, recovered:", Boolean(socket.recovered), "id:", socket.id === lastId ? "the same" : "new");
    lastId = socket.id;
  });
  socket.on("disconnect", (reason) => say("disconnected:", reason));
  socket.onAny((name, ...args) => {
    const last = args.pop(); // the offset, or the function that acknowledges
    const shown = args.map((value) => (Buffer.isBuffer(value) ? `<${value}>` : JSON.stringify(value)));
    say(name, ...shown, `(and a ${typeof last})`);
  });
  createInterface({ input: process.stdin }).on("line", (line) => {
    const [command, ...args] = JSON.parse(line);
    if (command === "emit") socket.emit(...args);
    if (command === "auth") socket.auth = args[0];
    if (command === "connect") socket.connect();
    if (command === "disconnect") socket.disconnect();
    if (command === "end") process.exit();
  });
}

const [mode, ...args] = process.argv.slice(2);
mode === "server" ? serve(...args) : converse(...args);
