// The server of chapters 01 and 07 on Node's own net.   node net-server.js [HOST:PORT or PATH]
const net = require("node:net");
const address = process.argv[2] ?? "127.0.0.1:3000";
const [host, port] = address.split(":");

const server = net.createServer();

server.on("connection", (client) => {
  console.log("Client connected");
  client.on("end", () => console.log("Client disconnected"));
  client.on("data", (bytes) => {
    console.log(`Received data from client: ${bytes}`);
    client.write("Hello from server");
  });
});

server.listen(port ? { host, port } : { path: address }, () => {
  const place = port ? `port ${server.address().port}` : address;
  console.log(`Server listening on ${place}`);
});
