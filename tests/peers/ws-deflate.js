// npm's ws with permessage-deflate, in every combination of its four parameters.
//   node ws-deflate.js client URL            echoes through a server of ours
//   node ws-deflate.js server OPTIONS        echoes, with these options (JSON)
//   node ws-deflate.js malformed URL         sends what cannot be inflated, and a bomb
const WebSocket = require("ws");
const zlib = require("zlib");
const { once } = require("events");
const [what, argument] = process.argv.slice(2);

const sentence = "All that is said twice is said in fewer bytes: 안녕하세요. ";
const sizes = [0, 1, 40, 1023, 1024, 1500, 20000, 65536, 300000];
const noise = (size) => Buffer.from(Array.from({ length: size }, () => Math.random() * 256));
const messages = sizes.flatMap((size) => [
  sentence.repeat(size / sentence.length + 1).slice(0, size),
  noise(Math.min(size, 5000)),
  Buffer.alloc(size, size),
]);

function* combinations() {
  for (let i = 0; i < 16; i++) {
    const options = { threshold: 0 };
    if (i & 1) options.serverNoContextTakeover = true;
    if (i & 2) options.clientNoContextTakeover = true;
    if (i & 4) options.serverMaxWindowBits = 9;
    if (i & 8) options.clientMaxWindowBits = 10;
    yield options;
  }
}

// Sends all messages, a third of them in fragments, and compares what comes back. Resolves with "compressed" if
// less was received, and the parameters.
async function echo(url, perMessageDeflate) {
  const socket = new WebSocket(url, { perMessageDeflate });
  await once(socket, "open");
  for (const [i, message] of messages.entries()) {
    if (i % 3 === 0 && message.length > 2) {
      socket.send(message.slice(0, 2), { fin: false, binary: Buffer.isBuffer(message) });
      socket.ping();
      socket.send(message.slice(2), { fin: true });
    } else {
      socket.send(message);
    }
    const [data, isBinary] = await once(socket, "message");
    if (isBinary !== Buffer.isBuffer(message) || !data.equals(Buffer.from(message))) {
      throw new Error(`message ${i} came back changed, with ${socket.extensions}`);
    }
  }
  const size = socket._socket.bytesRead < 200000 ? "compressed" : "plain";
  const params = socket._extensions["permessage-deflate"]?.params;
  socket.close(1000);
  await once(socket, "close");
  return params ? `${size} ${Object.entries(params).flat().join(" ")}`.trim() : size;
}

async function client(url) {
  for (const options of combinations()) console.log(await echo(url, options));
  console.log(await echo(url, false));
}

function server(options) {
  const server = new WebSocket.Server({ port: 0, maxPayload: 500000, perMessageDeflate: JSON.parse(options) });
  server.on("listening", () => console.log(server.address().port));
  server.on("connection", (socket, request) => {
    console.log(request.headers["sec-websocket-extensions"] ?? "none");
    socket.on("message", (data, isBinary) => {
      const text = isBinary ? data : data.toString();
      socket.send(text.slice(0, 3), { fin: false, binary: isBinary });
      socket.send(text.slice(3), { fin: true });
    });
    socket.on("close", (code) => console.log("closed", code));
    socket.on("error", (error) => console.log("error:", error.message));
  });
}

// Each of these ends the connection with a code.
async function malformed(url) {
  const deflated = (data) => zlib.deflateRawSync(data, { finishFlush: zlib.constants.Z_SYNC_FLUSH }).subarray(0, -4);
  for (const [name, payload, text] of [
    ["block of type 3", Buffer.from([0b111]), false],
    ["lengths that differ", Buffer.from([0, 1, 0, 1, 0]), false],
    ["distance too far", Buffer.from([0x03, 0x02, 0x00, 0x11]), false],
    ["text that is not UTF-8", deflated(Buffer.from([0x63, 0xe9, 0x20])), true],
    ["bomb", deflated(Buffer.alloc(1 << 20)), false],
    ["bomb of text", deflated(Buffer.alloc(1 << 20)), true],
  ]) {
    const socket = new WebSocket(url, { perMessageDeflate: true });
    await once(socket, "open");
    socket._sender.sendFrame(
      WebSocket.Sender.frame(payload, { fin: true, rsv1: true, opcode: text ? 1 : 2, mask: true, readOnly: true }),
    );
    const [code] = await once(socket, "close");
    console.log(`${name}: ${code}`);
  }
}

({ client, server, malformed })[what](argument);
