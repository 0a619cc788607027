// Node's own EventEmitter, for chapter 08.   node emitter.js
const { EventEmitter } = require("node:events");
const door = new EventEmitter();

const hear = (who) => console.log(`${who} is at the door`);
door.on("knock", hear);
door.once("knock", () => console.log("The first knock!"));

console.log(door.emit("knock", "Ada"));
console.log(door.emit("knock", "Alan"));
door.off("knock", hear);
console.log(door.emit("knock", "Grace"));

door.emit("error", new Error("The door is stuck"));
