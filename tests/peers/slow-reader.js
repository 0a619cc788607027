// What Node does with a client that does not read, for chapter 08.   node slow-reader.js
const net = require("node:net");
const server = net.createServer();

server.on("connection", (client) => {
  while (client.write("text ".repeat(200))) {
    // true: go on
  }
  console.log(`write says false, and keeps the rest: ${client.writableLength > 0}`);
  client.on("drain", () => {
    console.log(`drain, nothing is left: ${client.writableLength === 0}`);
    client.end();
    server.close();
  });
});

server.listen(0, "127.0.0.1", () => {
  const reader = net.connect(server.address().port, "127.0.0.1");
  server.on("connection", () => reader.resume()); // reads only after the loop above
});
