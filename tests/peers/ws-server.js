// npm's ws as a server for ours: the path of the URL says what it does.   node ws-server.js
const { createServer } = require("node:http");
const { WebSocketServer } = require("ws");
const say = (...words) => console.log(words.join(" ").trim());

const server = createServer();
const wss = new WebSocketServer({
  server,
  maxPayload: 6 * 1024 * 1024,
  perMessageDeflate: true,
  handleProtocols: (offered) => (offered.has("tea") ? "tea" : false),
  verifyClient: ({ req }, done) => done(req.headers.authorization !== "wrong", 403, "Not you"),
});

const things = {
  echo: (socket) => socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary })),

  fragments: (socket) => {
    socket.on("message", (data) => say("message:", data));
    socket.on("pong", (data) => say("pong:", data));
    socket.send("안녕", { fin: false });
    socket.ping("between");
    socket.send("", { fin: false });
    socket.send("하세요");
  },

  ping: (socket) => {
    socket.on("ping", (data) => say("ping:", data));
    socket.on("pong", (data) => say("pong:", data));
    socket.ping("are you there?");
  },

  close: (socket, code, reason) => (code ? socket.close(Number(code), decodeURI(reason)) : socket.close()),

  terminate: (socket) => socket.terminate(),

  raw: (socket, hex) => socket._socket.write(Buffer.from(hex, "hex")),

  wait: () => {},
};

wss.on("connection", (socket, request) => {
  const [, what, ...more] = request.url.split("/");
  socket.on("error", (error) => say("error:", error.message));
  socket.on("close", (code, reason) => say("closed", code, reason));
  things[what](socket, ...more);
});

// A server that has pages and no WebSockets.
const plain = createServer((request, response) => response.end("a page"));

server.listen(0, "127.0.0.1", () => {
  plain.listen(0, "127.0.0.1", () => say(server.address().port, plain.address().port));
});
