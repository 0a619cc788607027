// The whiteboard of tutorial/examples/whiteboard.rs, with npm's socket.io.
//   node whiteboard-server.js [PORT]
const { createServer } = require("node:http");
const { Server } = require("socket.io");

const MAX_STROKES = 1000;
const boards = new Map(); // the strokes of each board

const server = createServer((request, response) => {
  const list = [...boards].map(([board, strokes]) => `${board}: ${strokes.length}\n`);
  response.setHeader("Content-Type", "text/plain");
  response.end(list.join(""));
});
const io = new Server(server);

io.use((socket, next) => {
  const { name, board } = socket.handshake.auth;
  if (typeof name !== "string" || typeof board !== "string") {
    return next(new Error("a name and a board are needed"));
  }
  socket.data = { name, board };
  next();
});

io.on("connection", (socket) => {
  const { name, board } = socket.data;
  const strokes = boards.get(board) ?? boards.set(board, []).get(board);
  socket.join(board);
  socket.emit("strokes", strokes);
  socket.to(board).emit("joined", name);

  socket.use(([event, stroke], next) => {
    const valid = event !== "draw" || Array.isArray(stroke?.points);
    next(valid ? undefined : new Error("a stroke has points"));
  });
  socket.on("error", (error) => socket.emit("refused", error.message));

  socket.on("draw", (stroke, ack) => {
    strokes.push({ ...stroke, name });
    if (strokes.length > MAX_STROKES) strokes.shift();
    socket.to(board).emit("draw", strokes.at(-1));
    ack(strokes.length);
  });
  socket.on("cursor", (x, y) => socket.to(board).volatile.emit("cursor", name, x, y));
  socket.on("undo", () => {
    const last = strokes.findLastIndex((stroke) => stroke.name === name);
    if (last >= 0) strokes.splice(last, 1);
    io.to(board).emit("strokes", strokes);
  });
  socket.on("who", async (ack) => {
    const sockets = await io.in(board).fetchSockets();
    ack(sockets.map((socket) => socket.data.name));
  });
  socket.on("clear", async (ack) => {
    try {
      const answers = await socket.timeout(10_000).to(board).emitWithAck("clear?", name);
      if (!answers.every((answer) => answer === true)) return ack("somebody refuses");
      strokes.length = 0;
      io.to(board).emit("strokes", strokes);
      ack("cleared");
    } catch {
      ack("somebody does not answer");
    }
  });
  socket.on("disconnect", () => {
    socket.to(board).emit("left", name);
    if (!io.of("/").adapter.rooms.has(board)) boards.delete(board);
  });
});

server.listen(process.argv[2] ?? 3000, "127.0.0.1", () => {
  console.log(`Whiteboard on port ${server.address().port}`);
});
