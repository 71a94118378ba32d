// Usage: node node_redis.js PORT. Uses the package "redis" as an application would.
const assert = require("node:assert");
const { createClient } = require("redis");

async function main(port) {
  const failOn = (error) => { throw error; };
  const client = createClient({ socket: { port, host: "127.0.0.1" } }).on("error", failOn);
  await client.connect();
  assert.equal(await client.ping(), "PONG");
  assert.equal(await client.hSet("node", { type: "2", length: "6", starting: "10" }), 3);
  assert.equal(await client.get("node"), "000010");
  const drawn = await Promise.all(Array.from({ length: 1000 }, () => client.get("node")));
  assert.deepEqual(drawn, Array.from({ length: 1000 }, (_, i) => String(11 + i).padStart(6, "0")));
  assert.match(await client.info("node"), /generated:1001/);
  assert.equal(await client.exists("node"), 1);
  await assert.rejects(client.get("no-such"), /dispenser not found/);
  assert.equal(await client.del("node"), 1);
  await (client.close ?? client.quit).call(client);

  const modern = createClient({ RESP: 3, socket: { port, host: "127.0.0.1" } }).on("error", failOn);
  await modern.connect();
  assert.equal(await modern.hSet("node3", { type: "3", starting: "9223372036854775800" }), 2);
  assert.equal(await modern.get("node3"), "9223372036854775800");
  assert.equal(await modern.del("node3"), 1);
  await (modern.close ?? modern.quit).call(modern);
  console.log("all is well");
}

main(Number(process.argv[2])).catch((error) => { console.error(error); process.exit(1); });
