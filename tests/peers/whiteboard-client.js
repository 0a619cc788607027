// Draws on a whiteboard with two clients, and prints what each observes.   node whiteboard-client.js URL
const { get } = require("node:http");
const { io } = require("socket.io-client");

const url = process.argv[2];
const open = (name, auth) => {
  const socket = io(url, { auth, forceNew: true, transports: ["websocket"] });
  const next = new Map(); // events that have come, and who waits for one
  const slot = (event) => next.get(event) ?? next.set(event, { come: [], waiting: [] }).get(event);
  const give = (event, args) => {
    const { come, waiting } = slot(event);
    waiting.length ? waiting.shift()(args) : come.push(args);
  };
  socket.onAny((event, ...args) => give(event, args));
  for (const event of ["connect", "connect_error"]) socket.on(event, (e) => give(event, e ? [e.message] : []));
  socket.show = async (event) => {
    const { come, waiting } = slot(event);
    const args = come.length ? come.shift() : await new Promise((resolve) => waiting.push(resolve));
    const values = args.filter((value) => typeof value !== "function");
    console.log(`${name}: ${event} ${JSON.stringify(values)}`);
    return args;
  };
  socket.ask = async (event, ...args) => {
    console.log(`${name}: ${event} -> ${JSON.stringify(await socket.emitWithAck(event, ...args))}`);
  };
  return socket;
};
const page = () =>
  new Promise((resolve) => get(url, (response) => response.setEncoding("utf8").on("data", resolve)));

(async () => {
  const nobody = open("nobody", {});
  await nobody.show("connect_error");
  nobody.close();
  const ann = open("ann", { name: "Ann", board: "tea" });
  await ann.show("strokes");
  await ann.ask("draw", { points: [[1, 2], [3, 4]], colour: "red" });
  const bob = open("bob", { name: "Bob", board: "tea" });
  await bob.show("strokes");
  await ann.show("joined");
  await bob.ask("draw", { points: [] });
  await ann.show("draw");
  bob.emit("draw", { points: "none" });
  await bob.show("refused");
  bob.emit("cursor", 5, 6);
  await ann.show("cursor");
  await ann.ask("who");
  console.log(`page: ${JSON.stringify(await page())}`);
  ann.emit("undo");
  await ann.show("strokes");
  await bob.show("strokes");
  ann.once("clear?", (name, answer) => answer(false));
  await bob.ask("clear");
  ann.once("clear?", (name, answer) => answer(true));
  await bob.ask("clear");
  await bob.show("strokes");
  bob.close();
  await ann.show("left");
  ann.close();
})();
