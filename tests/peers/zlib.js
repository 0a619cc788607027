// Node's zlib, without the heads of zlib and gzip: answers each line of JSON with a line.   node zlib.js
const zlib = require("zlib");
const readline = require("readline");

// Deflates pieces, each with its flush mode behind it.
async function deflate({ pieces, flushes, dictionary, ...options }) {
  if (dictionary !== undefined) options.dictionary = Buffer.from(dictionary, "base64");
  const stream = zlib.createDeflateRaw(options);
  const chunks = [];
  stream.on("data", (chunk) => chunks.push(chunk));
  for (const [i, piece] of pieces.entries()) {
    stream.write(Buffer.from(piece, "base64"));
    await new Promise((resolve) => stream.flush(flushes[i], resolve));
  }
  stream.close();
  return Buffer.concat(chunks);
}

// Inflates messages of one context; returns them as one.
async function inflate({ pieces, ...options }) {
  const stream = zlib.createInflateRaw(options);
  const chunks = [];
  stream.on("data", (chunk) => chunks.push(chunk));
  stream.on("error", (error) => console.log("error:", error.message));
  for (const piece of pieces) stream.write(Buffer.from(piece, "base64"));
  await new Promise((resolve) => stream.flush(resolve));
  stream.close();
  return Buffer.concat(chunks);
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { what, ...job } = JSON.parse(line);
    const result = await (what === "inflate" ? inflate(job) : deflate(job));
    console.log(result.toString("base64"));
  }
})();
