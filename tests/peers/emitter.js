// Node's own EventEmitter, for chapter 10.   node emitter.js
const { EventEmitter } = require("node:events");
const server = new EventEmitter();

const greet = (who) => console.log(`Hello, ${who}`);
server.on("connection", greet);
server.once("connection", () => console.log("The first connection!"));

console.log(server.emit("connection", "Ada"));
console.log(server.emit("connection", "Alan"));
server.off("connection", greet);
console.log(server.emit("connection", "Grace"));

server.emit("error", new Error("The port is in use"));
