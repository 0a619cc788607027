// The server of chapter 05 on Node's own net: `quit` closes it.   node net-closing.js [HOST:PORT]
const net = require("node:net");
const readline = require("node:readline");
const [host, port] = (process.argv[2] ?? "127.0.0.1:3000").split(":");

const server = net.createServer((client) => client.pipe(client));
const lines = readline.createInterface({ input: process.stdin });

lines.on("line", (line) => {
  if (line !== "quit") return;
  process.stdin.destroy();
  server.close(() => console.log("Closed, and the last client has left"));
  server.getConnections((_, n) => console.log(`No new clients; still connected: ${n}`));
});

server.listen({ host, port }, () => {
  console.log(`Server listening on port ${server.address().port}`);
});
