// Passes on each byte, and shows it.   node net-tap.js LISTEN TARGET (each a HOST:PORT or PATH)
const net = require("node:net");
const [listen, target] = process.argv.slice(2, 4).map((address) => {
  const [host, port] = address.split(":");
  const place = port ? { host, port } : { path: address };
  return { ...place, allowHalfOpen: true }; // the end of one direction does not end the other
});

const tap = net.createServer(listen, (client) => {
  const server = net.connect(target);
  client.on("data", (bytes) => console.log(`→ ${bytes}`));
  server.on("data", (bytes) => console.log(`← ${bytes}`));
  client.pipe(server).pipe(client);
});

tap.listen(listen, () => console.log(`Listening on ${listen.path ?? `port ${tap.address().port}`}`));
