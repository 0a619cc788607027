// A session over requests, with nothing but fetch. Chapter 16.   node eio-client.js [HOST:PORT]
const address = process.argv[2] ?? "127.0.0.1:3000";
const open = `http://${address}/socket.io/?EIO=4&transport=polling`;

async function main() {
  const hello = await (await fetch(open)).text();
  const { sid } = JSON.parse(hello.slice(1));
  const session = `${open}&sid=${sid}`;
  const ask = async () => (await fetch(session)).text();
  const tell = (packets) => fetch(session, { method: "POST", body: packets });

  await tell("40"); // chapter 18: we enter
  await ask();
  const answer = ask(); // held: nothing has been said yet
  await tell('421["echo","Hello"]');
  console.log(await answer);
  await tell("1");
  console.log("We have left");
}

main();
