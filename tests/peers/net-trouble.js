// The faults of chapter 04 on Node's own net: makes them happen, and ends.   node net-trouble.js
const net = require("node:net");
const { once } = require("node:events");

const server = net.createServer();
server.maxConnections = 2;
server.on("drop", () => console.log("One client too many"));
server.on("error", (error) => console.log(`Cannot listen: ${error.code}`));
server.on("close", () => console.log("Closed, and the last client has left"));
server.on("connection", (client) => {
  client.on("error", (error) => console.log(`Client lost: ${error.code}`));
  client.on("data", () => client.write("Hello from server"));
});

server.listen(0, "127.0.0.1", async () => {
  const { address, port } = server.address();
  const connect = () => net.connect(port, address).resume();

  const second = net.createServer().listen(port, address);
  const [taken] = await once(second, "error");
  console.log(`A second server: ${taken.code}`);

  const [other, resetting] = [connect(), connect()];
  for (const client of [other, resetting]) {
    client.write("Hello from client");
    await once(client, "data");
  }
  await once(connect(), "close");
  resetting.resetAndDestroy();
  server.close();
  other.end();
});
