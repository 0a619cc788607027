// Drives socket.io-client's own bundle in Chromium, on a page of the server at URL.
//   node sio-page.js URL "A SERVER THAT ALLOWS THIS ORIGIN" "ONE THAT DOES NOT"
// It prints what it observes. It closes the server at URL; the test starts another.
const { launch } = require("./chromium");
const [url, allowing, refusing] = process.argv.slice(2);

// What is done in the page, where `io` and `say` are.
async function visit({ allowing, refusing }) {
  const next = (socket, name) => new Promise((resolve) => socket.once(name, (...values) => resolve(values)));
  const ask = (socket, ...values) => new Promise((resolve) => socket.emit(...values, (...answer) => resolve(answer)));
  const show = (bytes) => `${bytes.constructor.name} ${[...new Uint8Array(bytes)]}`;

  const socket = io({ reconnectionDelay: 50, reconnectionDelayMax: 100 });
  const upgraded = new Promise((resolve) => socket.io.on("open", () => socket.io.engine.once("upgrade", resolve)));
  await next(socket, "connect");
  await say("connected by polling");
  await say(`upgraded to ${(await upgraded).name}`);

  let received = next(socket, "echoed");
  const answer = await ask(socket, "echo", 1, "안녕");
  await say(`echo ${JSON.stringify(await received)}, answered ${JSON.stringify(answer)}`);
  const [bytes, { more }] = await ask(socket, "echo", Uint8Array.of(1, 2, 3).buffer, { more: Uint8Array.of(255) });
  await say(`bytes: ${show(bytes)} and ${show(more)}`);

  // By the transport it is now, and by polling: of its responses a browser says how many bytes they have had.
  const long = "All that is said twice is said in fewer bytes. ".repeat(4000);
  const polling = io({ transports: ["polling"], forceNew: true });
  const [echo, polled] = await Promise.all([ask(socket, "echo", long), ask(polling, "echo", long)]);
  const { encodedBodySize } = await new Promise((resolve) => {
    const find = (entries) => entries.find(({ decodedBodySize }) => decodedBodySize > long.length);
    const observer = new PerformanceObserver((list) => find(list.getEntries()) && resolve(find(list.getEntries())));
    observer.observe({ type: "resource", buffered: true });
  });
  await say(`extension: ${socket.io.engine.transport.ws.extensions.split(";")[0]}`);
  await say(`long text: ${echo[0] === long} ${polled[0] === long}, compressed: ${encodedBodySize < 5000}`);
  polling.disconnect();

  const crossOrigin = (url, transports) => io(url, { transports, withCredentials: true, reconnection: false, forceNew: true });
  const outcome = (socket) =>
    Promise.race([
      next(socket, "connect").then(() => "connected"),
      next(socket, "connect_error").then(([error]) => error.message),
    ]).finally(() => socket.disconnect());
  await say(`another origin, polling: ${await outcome(crossOrigin(allowing, ["polling"]))}`);
  await say(`another origin, websocket: ${await outcome(crossOrigin(allowing, ["websocket"]))}`);
  const both = crossOrigin(allowing, ["polling", "websocket"]);
  const [transport] = await new Promise((resolve) => both.io.on("open", () => next(both.io.engine, "upgrade").then(resolve)));
  await say(`another origin, by upgrade: ${transport.name}`);
  both.disconnect();
  await say(`an origin that is not allowed, polling: ${await outcome(crossOrigin(refusing, ["polling"]))}`);
  await say(`an origin that is not allowed, websocket: ${await outcome(crossOrigin(refusing, ["websocket"]))}`);

  socket.emit("close the server");
  await say(`disconnected: ${(await next(socket, "disconnect"))[0]}`);
  await next(socket.io, "reconnect_error");
  const back = [];
  socket.on("echoed", (value) => back.push(value));
  for (const value of [1, 2, 3]) socket.emit("echo", value);
  // Before the line is printed: its reader starts a server, and the socket connects at once.
  const reconnected = next(socket, "connect");
  await say("no server");
  await reconnected;
  await say("connected again");
  await ask(socket, "echo", "last");
  await say(`echoes of what was emitted while disconnected: ${back.slice(0, 3)}`);
}

async function main() {
  const browser = await launch();
  const page = await browser.newPage();
  page.setDefaultTimeout(60_000); // as long as a line may take
  page.on("pageerror", (error) => console.log(`error: ${error.message}`));
  await page.exposeFunction("say", (line) => console.log(line));
  await page.goto(url);
  await page.evaluate(visit, { allowing, refusing });
  await browser.close();
}

main().catch((error) => {
  console.log(`error: ${error.message}`);
  process.exit(1);
});
