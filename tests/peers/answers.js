// The server of the example `answers` on npm's socket.io.   node answers.js [HOST:PORT]
const { createServer } = require("node:http");
const { Server } = require("socket.io");
const address = process.argv[2] ?? "127.0.0.1:3000";
const [host, port] = address.split(":");

const server = createServer();
const io = new Server(server);

io.on("connection", (socket) => {
  socket.onAny((name, ...args) => console.log(`received ${name}`));
  socket.on("add", (...args) => {
    const answer = args.pop();
    answer(args.reduce((sum, n) => sum + n, 0));
  });
  socket.once("key", (answer) => answer("the only key"));
  socket.on("whoami", (ms) => {
    socket.timeout(ms).emit("name?", (error, name) => {
      if (error) socket.emit("nobody", error.message);
      else socket.emit("you are", name);
    });
  });
  socket.on("disconnect", (reason) => console.log(`disconnect: ${reason}`));
});

server.listen(port, host, () => console.log(`Server listening on port ${port}`));
