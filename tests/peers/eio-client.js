// A session over requests, with nothing but fetch. Chapter 20.   node eio-client.js [HOST:PORT]
const address = process.argv[2] ?? "127.0.0.1:3000";
const open = `http://${address}/socket.io/?EIO=4&transport=polling`;

async function main() {
  const handshake = await (await fetch(open)).text();
  const { sid } = JSON.parse(handshake.slice(1));
  const session = `${open}&sid=${sid}`;
  const poll = async () => (await fetch(session)).text();
  const post = (packets) => fetch(session, { method: "POST", body: packets });

  await post("40"); // chapter 22: CONNECT
  await poll();
  const answer = poll(); // held: there is no packet yet
  await post('421["echo","Hello"]');
  console.log(await answer);
  await post("1");
  console.log("Closed");
}

main();
