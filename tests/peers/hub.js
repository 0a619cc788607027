// The hub of the example `cluster` on Node's net.   node hub.js [HOST:PORT]
const net = require("node:net");
const servers = new Set();

const hub = net.createServer((server) => {
  let rest = Buffer.alloc(0);
  server.on("data", (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE()) {
      const frame = rest.subarray(0, 4 + rest.readUInt32BE());
      rest = rest.subarray(frame.length);
      for (const other of servers) if (other !== server) other.write(frame);
    }
  });
  server.on("error", () => {}); // `close` follows
  server.on("close", () => servers.delete(server));
  servers.add(server);
  server.write("\0\0\0\x02[]"); // it is in `servers`
});

const [host, port] = (process.argv[2] ?? "127.0.0.1:3000").split(":");
hub.listen(port, host, () => console.log(`Hub listening on port ${port}`));
