// npm's ws as a client of ours, which does one thing and prints what it observes.   node ws-client.js URL WHAT …
const WebSocket = require("ws");
const [url, what, ...more] = process.argv.slice(2);
const say = (...words) => console.log(words.join(" ").trim());
const SIZES = [0, 1, 125, 126, 127, 65535, 65536, 65537, 5 * 1024 * 1024];

// The options of the socket.
const options = {
  "small-payload": { maxPayload: 100 },
  "no-pong": { autoPong: false },
}[what];
const protocols = what === "protocols" ? more : [];

const socket = new WebSocket(url, protocols, options);
if (what !== "clients") socket.on("close", (code, reason) => say("closed", code, reason));
socket.on("error", (error) => say("error:", error.message));
socket.on("unexpected-response", (request, response) => {
  response.on("data", (body) => say(response.statusCode, body));
  response.on("end", () => process.exit());
});

const things = {
  // Every size as text and as bytes, all of them before the first echo.
  sizes() {
    say("extensions:", socket.extensions || "none");
    const text = (size) => "é".repeat(size / 2) + "x".repeat(size % 2);
    const sent = SIZES.flatMap((size) => [text(size), Buffer.alloc(size, size)]);
    sent.forEach((data) => socket.send(data));
    socket.on("message", (data, isBinary) => {
      const expected = sent.shift();
      const same = isBinary === Buffer.isBuffer(expected) && data.equals(Buffer.from(expected));
      say(data.length, isBinary ? "bytes" : "text", same ? "came back" : "CAME BACK CHANGED");
      if (sent.length === 0) socket.close(1000);
    });
  },

  // A message in four fragments, one of them empty, with a ping between.
  fragments() {
    socket.send("안녕", { fin: false });
    socket.send("", { fin: false });
    socket.ping("between");
    socket.send("하세", { fin: false });
    socket.send("요");
    socket.on("pong", (data) => say("pong:", data));
    socket.on("message", (data) => {
      say("message:", data);
      socket.close(1000);
    });
  },

  ping() {
    socket.on("ping", (data) => say("ping:", data));
    socket.on("pong", (data) => {
      say("pong:", data);
      socket.close(1000);
    });
    socket.ping(more[0]);
  },

  close() {
    const [code, reason] = more;
    code ? socket.close(Number(code), reason) : socket.close();
  },

  // Bytes that npm's ws never sends by itself.
  raw() {
    socket._socket.write(Buffer.from(more[0], "hex"));
  },

  send() {
    socket.send(more[0]);
  },

  listen() {
    socket.on("message", (data) => say("message:", data));
  },

  protocols() {
    say("protocol:", socket.protocol || "none");
    socket.close(1000);
  },

  // Many clients in one program: how many receive a broadcast?
  clients() {
    const clients = [socket];
    while (clients.length < Number(more[0])) clients.push(new WebSocket(url));
    const closed = {};
    let received = 0;
    for (const member of clients) {
      member.on("message", (data) => {
        if (++received === clients.length) say(received, "received", data);
      });
      member.on("close", (code) => {
        closed[code] = (closed[code] ?? 0) + 1;
        if (closed[code] === clients.length) say(clients.length, "were closed with", code);
      });
    }
  },
};
socket.on("open", things[what] ?? things.listen);
