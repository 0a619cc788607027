// A session that is upgraded to a WebSocket, with npm's engine.io-client. Chapter 21.
//   node eio-upgrade.js [HOST:PORT]
const { Socket } = require("engine.io-client");
const address = process.argv[2] ?? "127.0.0.1:3000";
const session = new Socket(`http://${address}`, { path: "/socket.io/" });

session.on("open", () => {
  console.log(`open, over ${session.transport.name}`);
  session.send("0"); // chapter 22: CONNECT
});
session.on("upgrade", (transport) => {
  console.log(`now over ${transport.name}`);
  session.send('21["echo","Hello"]');
});
session.on("message", (text) => {
  if (!text.startsWith("3")) return;
  console.log(text);
  session.close();
});
session.on("close", (reason) => console.log(`closed: ${reason}`));
