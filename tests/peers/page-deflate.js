// Chromium's WebSocket with permessage-deflate.   node page-deflate.js URL…
// Each server echoes. It prints the extension that was agreed on, and whether all messages came back as they were.
const { launch } = require("./chromium");
const urls = process.argv.slice(2);

// What is done in the page: messages one by one, and then many at once.
async function visit(url) {
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  await new Promise((resolve) => socket.addEventListener("open", resolve));
  const sentence = "All that is said twice is said in fewer bytes: 안녕하세요. ";
  const noise = Uint8Array.from({ length: 5000 }, () => Math.random() * 256);
  const messages = [0, 1, 1023, 1024, 1500, 65_536, 200_000].map((size) => sentence.repeat(size / 50 + 1).slice(0, size));
  messages.push(noise, new Uint8Array(100_000), "the last ".repeat(1000));
  const many = Array.from({ length: 100 }, (_, n) => `${n}: ${sentence.repeat(n % 50)}`);
  const next = () => new Promise((resolve) => socket.addEventListener("message", ({ data }) => resolve(data), { once: true }));
  const text = (data) => (typeof data === "string" ? data : new Uint8Array(data).join());
  let changed = 0;
  for (const message of messages) {
    socket.send(message);
    const echo = await next();
    if (typeof echo !== (typeof message) || text(echo) !== text(message)) changed++;
  }
  const received = [];
  const all = new Promise((resolve) => socket.addEventListener("message", ({ data }) => received.push(data) === many.length && resolve()));
  many.forEach((message) => socket.send(message));
  await all;
  changed += many.filter((message, n) => message !== received[n]).length;
  socket.close();
  return `${socket.extensions}: ${changed} changed`;
}

async function main() {
  const browser = await launch();
  const page = await browser.newPage();
  for (const url of urls) {
    await page.goto(url.replace("ws:", "http:"));
    console.log(await page.evaluate(visit, url));
  }
  await browser.close();
}

main();
