// The events of a session with npm's engine.io-client, which sends a message and closes. (Without `drain`
// and noop packets, which come sooner or later.)
//   node eio-events.js HOST:PORT TRANSPORTS
const { Socket } = require("engine.io-client");
const [address, transports] = [process.argv[2], JSON.parse(process.argv[3])];
const session = new Socket(`http://${address}`, { path: "/socket.io/", transports });
const say = (...words) => console.log(words.join(" "));

const speak = () => session.send("Hello");
session.on("open", () => {
  say("open", session.transport.name);
  if (transports.length === 1) speak();
});
session.on("upgrade", (transport) => {
  say("upgrade", transport.name);
  speak();
});
session.on("upgrading", (transport) => say("upgrading", transport.name));
session.on("packet", ({ type }) => type !== "noop" && say("packet", type));
session.on("packetCreate", ({ type, data }) => say("packetCreate", type, data));
session.on("message", () => session.close());
session.on("ping", () => say("ping"));
session.on("upgradeError", () => say("upgradeError"));
session.on("error", () => say("error"));
session.on("close", (reason) => say("close", reason));
