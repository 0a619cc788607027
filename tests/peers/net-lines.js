// The lines of chapter 06 on Node's own net: a server, and a client whose pieces are no lines.
const net = require("node:net");
const MAX = 1024;

const server = net.createServer((client) => {
  let rest = "";
  client.setEncoding("utf8");
  client.on("data", (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    if (rest.length > MAX) client.destroy();
    for (const line of lines) console.log(`Received line: ${line}`);
  });
});

server.on("connection", () => server.close()); // one client is enough for us
server.listen(0, "127.0.0.1", () => {
  const client = net.connect(server.address().port, "127.0.0.1");
  const bytes = Buffer.from("Hello\nBye\n안녕하세요\n");
  client.write(bytes.subarray(0, 15));
  client.end(bytes.subarray(15));
});
