// The client of chapters 02 and 07 on Node's own net.   node net-client.js [HOST:PORT or PATH]
const net = require("node:net");
const address = process.argv[2] ?? "127.0.0.1:3000";
const [host, port] = address.split(":");

const server = net.connect(port ? { host, port } : { path: address });

server.on("connect", () => {
  console.log("Connected to server");
  server.write("Hello from client");
});
server.on("data", (bytes) => {
  console.log(`Received from server: ${bytes}`);
  server.end();
});
server.on("end", () => console.log("Disconnected from server"));
