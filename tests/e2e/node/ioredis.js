// Usage: node ioredis.js PORT. Uses the package "ioredis" as an application would.
const assert = require("node:assert");
const Redis = require("ioredis");

async function main(port) {
  const client = new (Redis.Redis ?? Redis)(port, "127.0.0.1", { maxRetriesPerRequest: 1 });
  client.on("error", (error) => { throw error; });
  assert.equal(await client.ping(), "PONG");
  assert.equal(await client.hset("io", "type", 3, "starting", 100, "step", 5), 3);
  assert.equal(await client.get("io"), "100");
  const pipeline = client.pipeline();
  for (let i = 0; i < 1000; i++) pipeline.get("io");
  const replies = await pipeline.exec();
  assert.deepEqual(replies, Array.from({ length: 1000 }, (_, i) => [null, String(105 + 5 * i)]));
  assert.match(await client.info("io"), /generated:1001/);
  await assert.rejects(client.get("no-such"), /dispenser not found/);
  assert.equal(await client.del("io"), 1);
  await client.quit();
  console.log("all is well");
}

main(Number(process.argv[2])).catch((error) => { console.error(error); process.exit(1); });
