// Prints the public API of Socket.IO's packages: a section and a name in each line, with a tab between.
// The names are from the type declarations; events that are not declared, from where the code emits them.
const fs = require("fs");
const path = require("path");
const { EventEmitter } = require("events");

/** Classes and interfaces of each file, with the section that lists their members. */
const DECLARED = {
  "socket.io/dist/index.d.ts": { Server: "Server: io", ServerOptions: "Server: options" },
  "socket.io/dist/namespace.d.ts": {
    Namespace: "Server: io",
    NamespaceReservedEventsMap: "Server: events",
    ServerReservedEventsMap: "Server: events",
  },
  "socket.io/dist/broadcast-operator.d.ts": { BroadcastOperator: "Server: io", RemoteSocket: "Server: socket" },
  "socket.io/dist/socket.d.ts": { Socket: "Server: socket" },
  "socket.io/dist/socket-types.d.ts": {
    Handshake: "Server: socket.handshake",
    SocketReservedEventsMap: "Server: events",
  },
  "socket.io-adapter/dist/in-memory-adapter.d.ts": { Adapter: "Server: adapter" },
  "engine.io/build/server.d.ts": {
    AttachOptions: "Server: options",
    ServerOptions: "Server: options",
    BaseServer: "Server: io.engine",
  },
  "engine.io/build/socket.d.ts": { Socket: "Server: socket.conn" },
  "@socket.io/component-emitter/lib/cjs/index.d.ts": { Emitter: "Client: socket" },
  "socket.io-client/build/esm/socket.d.ts": {
    Socket: "Client: socket",
    SocketOptions: "Client: options",
    SocketReservedEvents: "Client: events",
  },
  "socket.io-client/build/esm/manager.d.ts": {
    Manager: "Client: manager",
    ManagerOptions: "Client: options",
    ManagerReservedEvents: "Client: events of the manager",
  },
  "engine.io-client/build/esm/socket.d.ts": {
    SocketOptions: "Client: options",
    SocketReservedEvents: "Client: events of the engine",
  },
};

const EMITTED = {
  "engine.io/build/server.js": "Server: events of io.engine",
  "engine.io/build/socket.js": "Server: events of socket.conn",
  "socket.io-adapter/dist/in-memory-adapter.js": "Server: events of the adapter",
};

const read = (file) => fs.readFileSync(path.join(__dirname, "node_modules", file), "utf8");

/** The bodies of the classes and interfaces of a file, by name. */
function bodies(file) {
  const text = read(file).replace(/\/\*[^]*?\*\//g, "");
  const found = text.matchAll(/(?:class|interface) (\w+)[^]*?\{\n([^]*?)\n\}/g);
  return Object.fromEntries([...found].map(([, name, body]) => [name, body]));
}

/** The names of the public members: those with the indentation of a member, and no underscore. */
function members(body) {
  const found = body.matchAll(/^ {4}(?:readonly |get |set |static )*"?([A-Za-z]\w*)"?(?=[?:(<])/gm);
  return [...found].map(([, name]) => name).filter((name) => name !== "constructor");
}

const lines = new Set();
for (const [file, sections] of Object.entries(DECLARED)) {
  const found = bodies(file);
  for (const [name, section] of Object.entries(sections)) {
    if (!found[name]) throw new Error(`${file} declares no ${name}`);
    members(found[name]).forEach((member) => lines.add(`${section}\t${member}`));
  }
}
for (const [file, section] of Object.entries(EMITTED)) {
  for (const [, event] of read(file).matchAll(/\bthis\.emit\("([\w-]+)"/g)) lines.add(`${section}\t${event}`);
}
for (const name of Object.getOwnPropertyNames(EventEmitter.prototype)) {
  if (typeof EventEmitter.prototype[name] === "function" && name !== "constructor") {
    lines.add(`Server: socket\t${name}`);
  }
}
console.log([...lines].sort().join("\n"));
