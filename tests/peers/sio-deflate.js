// npm's socket.io-client with compression, and a client of long-polling that accepts gzip.   node sio-deflate.js URL
const { io } = require("socket.io-client");
const [url] = process.argv.slice(2);
const text = "All that is said twice is said in fewer bytes: 안녕하세요. ".repeat(200);

async function websocket() {
  const socket = io(url, { transports: ["websocket"], reconnection: false });
  await new Promise((resolve) => socket.on("connect", resolve));
  const { ws } = socket.io.engine.transport;
  console.log("extensions:", ws.extensions);
  for (const value of ["short", text, Buffer.from(text)]) {
    const [echo] = await new Promise((resolve) => socket.emit("echo", value, (...args) => resolve(args)));
    console.log(Buffer.from(echo).equals(Buffer.from(value)) ? "came back" : "CAME BACK CHANGED");
  }
  console.log("few bytes:", ws._socket.bytesRead < 2000, ws._socket.bytesWritten < 5000);
  socket.close();
}

async function polling() {
  const target = `${url}/socket.io/?EIO=4&transport=polling`;
  const { sid } = JSON.parse((await (await fetch(target)).text()).slice(1));
  const post = (body) => fetch(`${target}&sid=${sid}`, { method: "POST", body });
  const get = async () => {
    const response = await fetch(`${target}&sid=${sid}`);
    return [response.headers.get("content-encoding"), await response.text()];
  };
  await post("40");
  await get();
  for (const value of ["short", text]) {
    await post(`421["echo",${JSON.stringify(value)}]`);
    const [encoding, body] = await get();
    console.log(encoding, body === `431[${JSON.stringify(value)}]` ? "came back" : "CAME BACK CHANGED");
  }
}

websocket().then(polling).then(() => process.exit());
