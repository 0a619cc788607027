// What JSON.parse and JSON.stringify make of each line that is typed.   node json.js
const lines = require("node:readline").createInterface({ input: process.stdin });

lines.on("line", (line) => {
  try {
    console.log(JSON.stringify(JSON.parse(line)));
  } catch (e) {
    console.log(e.name);
  }
});
