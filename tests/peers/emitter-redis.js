// Emits to a room over Redis, and is no server.   node emitter-redis.js REDIS_URL
const { Emitter } = require("@socket.io/redis-emitter");
const { createClient } = require("redis");

(async () => {
  const client = await createClient({ url: process.argv[2] }).connect();
  new Emitter(client).to("a").emit("joined", 2);
  await client.quit();
})();
