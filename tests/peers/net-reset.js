// A server that resets each connection at its first bytes (chapter 02).   node net-reset.js [HOST:PORT]
const net = require("node:net");
const [host, port] = (process.argv[2] ?? "127.0.0.1:3000").split(":");

const server = net.createServer();

server.on("connection", (client) => {
  client.on("data", () => client.resetAndDestroy());
});

server.listen({ host, port }, () => {
  console.log(`Server listening on port ${server.address().port}`);
});
