// The example `survey` on npm's socket.io.   node survey.js
const { createServer } = require("node:http");
const { Server } = require("socket.io");
const { io: connect } = require("socket.io-client");

const server = createServer();
const io = new Server(server);
io.on("connection", (socket) => {
  socket.on("join", (callback) => {
    socket.join("class");
    callback();
  });
});

async function ask(ms) {
  try {
    const answers = await io.timeout(ms).to("class").emitWithAck("6 times 7?");
    answers.sort().forEach(([name, answer]) => console.log(`    ${name}: ${answer}`));
  } catch (error) {
    console.log(`    ${error.message} (${error.responses.length} have answered)`);
  }
}

async function pupil(name, answer) {
  const socket = connect(`http://127.0.0.1:${server.address().port}`);
  socket.on("6 times 7?", (callback) => {
    if (answer) callback([name, answer]); // one value: the others of an answer are lost
  });
  await socket.emitWithAck("join");
}

server.listen(0, "127.0.0.1", async () => {
  await pupil("Ann", 42);
  await pupil("Bob", 41);
  console.log("Two pupils");
  await ask(60_000);
  console.log("And one who says nothing");
  await pupil("Cid");
  await ask(2000);
  process.exit();
});
