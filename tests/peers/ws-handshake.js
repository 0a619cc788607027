// The server's side of the handshake of chapter 12, on Node's own modules. It sends "Hello"
// and a close frame, in the frames of chapter 13.   node ws-handshake.js [HOST:PORT]
const http = require("node:http");
const { createHash } = require("node:crypto");
const address = process.argv[2] ?? "127.0.0.1:3000";
const [host, port] = address.split(":");

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const acceptKey = (key) => createHash("sha1").update(key + GUID).digest("base64");

const server = http.createServer((request, response) => response.writeHead(426).end());

server.on("upgrade", (request, socket) => {
  socket.write(
    "HTTP/1.1 101 Switching Protocols\r\n" +
      "Upgrade: websocket\r\n" +
      "Connection: Upgrade\r\n" +
      `Sec-WebSocket-Accept: ${acceptKey(request.headers["sec-websocket-key"])}\r\n\r\n`,
  );
  socket.end("\x81\x05Hello\x88\x02\x03\xe8", "latin1");
  socket.resume(); // what the client sends is of no interest
});

server.listen(port, host, () => console.log(`Server listening on ${address}`));
