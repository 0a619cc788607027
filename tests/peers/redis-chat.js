// The chat of chapter 27 with npm's redis.   node redis-chat.js NAME REDIS_URL
const { createInterface } = require("node:readline");
const { createClient } = require("redis");

(async () => {
  const [name, url] = process.argv.slice(2);
  const redis = await createClient({ url }).on("error", console.log).connect();
  const subscription = await redis.duplicate().connect();
  await subscription.subscribe("tea", (message) => console.log(message));
  console.log("Subscribed to tea");
  createInterface({ input: process.stdin }).on("line", (line) => {
    redis.publish("tea", `${name}: ${line}`);
  });
})();
