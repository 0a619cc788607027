// A broadcast of npm's socket.io that wants acknowledgements, as in acks.rs: the server, or a client that
// answers if it has a name.   node acks.js server | client URL TRANSPORTS [NAME]
const { createServer } = require("node:http");
const { Server } = require("socket.io");
const { io: connect } = require("socket.io-client");

function serve() {
  const http = createServer();
  const io = new Server(http);
  const print = (what, answers) => console.log(`${what}: ${[...answers].sort().join()}`);
  io.on("connection", (socket) => {
    socket.on("join", (callback) => (socket.join("class"), callback()));
    socket.on("ask", (ms) => {
      io.timeout(ms).to("class").emit("question", "?", (error, answers) => print(error?.message ?? "all", answers));
    });
    socket.on("ask and wait", (ms) => {
      const waiting = io.timeout(ms).to("class").emitWithAck("question", "?");
      waiting.then((answers) => print("all", answers), (error) => print(error.message, error.responses));
    });
  });
  http.listen(0, "127.0.0.1", () => console.log(http.address().port));
}

function ask(url, transports, name) {
  const socket = connect(url, { transports: transports.split(",") });
  socket.on("connect", () => socket.emit("join", () => console.log("joined")));
  socket.on("question", (mark, callback) => name && callback(name + mark));
}

const [mode, ...args] = process.argv.slice(2);
if (mode === "server") serve();
else ask(...args);
