// Bytes there and back on npm's socket.io-client. Chapter 25.   node sio-picture.js [HOST:PORT]
const { io } = require("socket.io-client");
const socket = io(`http://${process.argv[2] ?? "127.0.0.1:3000"}`);

const picture = Buffer.from([0x89, 0x50, 0x4e, 0x47]);
socket.emit("echo", "cat.png", { picture }, (name, { picture }) => {
  console.log(name, picture);
  socket.disconnect();
});
