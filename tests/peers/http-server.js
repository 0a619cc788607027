// The server of chapter 11 on Node's own http.   node http-server.js [HOST:PORT]
const http = require("node:http");
const address = process.argv[2] ?? "127.0.0.1:3000";
const [host, port] = address.split(":");

const server = http.createServer();

server.on("request", (request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://host");
  if (pathname === "/hello") {
    response.end(`Hello, ${searchParams.get("name") ?? "world"}\n`);
  } else {
    response.writeHead(404).end("Nothing here\n");
  }
});

server.listen(port, host, () => console.log(`Server listening on ${address}`));
