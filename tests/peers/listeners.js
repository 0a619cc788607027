// A Socket.IO server or client with every kind of listener, which prints what each of them gets:
// node listeners.js server | client URL

const print = (what) => (name, ...args) => {
  console.log(what, name, JSON.stringify(args.filter((arg) => typeof arg !== "function")));
};

function addListeners(socket) {
  socket.onAny(print("any 1"));
  socket.prependAny(print("any 0"));
  socket.onAnyOutgoing(print("outgoing 1"));
  socket.prependAnyOutgoing(print("outgoing 0"));
  const gone = print("removed");
  socket.onAny(gone);
  socket.offAny(gone);
  socket.onAnyOutgoing(gone);
  socket.offAnyOutgoing(gone);
}

function count(socket) {
  const any = [socket.listenersAny().length, socket.listenersAnyOutgoing().length];
  console.log("listeners", socket.listeners("say").length, ...any);
}

function serve() {
  const { Server } = require("socket.io");
  const io = new Server(0);
  io.on("connection", (socket) => {
    addListeners(socket);
    socket.use(([name], next) => {
      console.log("middleware", name);
      next(name === "forbidden" ? new Error("not allowed") : undefined);
    });
    socket.on("forbidden", () => console.log("never"));
    socket.on("error", (error) => socket.emit("refused", error.message));
    socket.on("say", (...args) => {
      print("first")("say", ...args);
      args.at(-1)("said");
    });
    socket.on("say", (...args) => print("second")("say", ...args));
    socket.on("ask", (value, ack) => {
      socket.emit("reply", value, "text");
      io.emit("to all", value);
      ack("ok");
    });
    socket.on("remove", (ack) => {
      count(socket);
      socket.removeAllListeners("say");
      socket.offAny();
      socket.offAnyOutgoing();
      count(socket);
      socket.emit("quiet");
      ack();
    });
    socket.on("disconnect", (reason) => console.log("disconnect", reason));
  });
  console.log("Server listening on port", io.httpServer.address().port);
}

function connect(url) {
  const { io } = require("socket.io-client");
  const socket = io(url, { autoConnect: false, transports: ["websocket"] });
  addListeners(socket);
  socket.on("say", print("first say"));
  socket.on("reply", (...args) => print("first")("reply", ...args));
  socket.on("reply", (...args) => print("second")("reply", ...args));
  socket.on("connect", () => console.log("connect"));
  socket.volatile.emit("lost");
  socket.emit("say", "buffered", (answer) => {
    console.log("acknowledged", answer);
    socket.emit("forbidden");
  });
  socket.on("refused", () => {
    socket.emit("ask", { number: 1 }, (answer) => {
      console.log("acknowledged", answer);
      count(socket);
      socket.off("say");
      socket.offAny();
      socket.offAnyOutgoing();
      count(socket);
      socket.emit("remove", () => socket.disconnect());
    });
  });
  socket.connect();
}

const [what, url] = process.argv.slice(2);
if (what === "server") serve();
else connect(url);
