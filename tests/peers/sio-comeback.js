// The chat's client on npm's socket.io-client. Chapter 24.   node sio-comeback.js [HOST:PORT]
const { io } = require("socket.io-client");
const url = `http://${process.argv[2] ?? "127.0.0.1:3000"}`;
const socket = io(url, { transports: ["websocket"] });

socket.on("connect", () => console.log("Connected to server"));
socket.on("said", (text) => console.log(text));
socket.on("connect_error", (error) => console.log(`Cannot connect: ${error.message}`));
socket.on("disconnect", (reason) => {
  console.log(`Disconnected from server (${reason})`);
  socket.emit("say", "Is anybody there?"); // kept until it is connected again
});
