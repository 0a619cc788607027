// The client of chapter 09 on Node's own net.   node net-comeback.js [HOST:PORT]
const net = require("node:net");
const [host, port] = (process.argv[2] ?? "127.0.0.1:3000").split(":");

let attempts = 0;

function connect() {
  const server = net.connect({ host, port }, () => {
    console.log("Connected to server");
    server.write("Hello from client");
  });
  server.on("data", (bytes) => {
    attempts = 0;
    console.log(`Received from server: ${bytes}`);
  });
  server.on("error", (error) => console.log(`No server: ${error.code}`));
  server.on("close", () => {
    const jitter = 0.5 + Math.random();
    const pause = Math.min(1000 * 2 ** attempts * jitter, 5000);
    attempts += 1;
    console.log("Trying again");
    setTimeout(connect, pause);
  });
}

connect();
