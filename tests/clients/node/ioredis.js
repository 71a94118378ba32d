// Usage: node ioredis.js SCENARIO PORT NAME (see ../scenarios.py). CLIENT_PACKAGE: the package "ioredis" of some version.
const assert = require("node:assert");
const { readFileSync } = require("node:fs");
const readline = require("node:readline/promises");
const { Redis } = require(process.env.CLIENT_PACKAGE);

const [scenario, port, name] = process.argv.slice(2);
const strings = (from, to) => Array.from({ length: to - from }, (_, i) => String(from + i));

function connected(options = {}) {
  const client = new Redis({ host: "127.0.0.1", port: Number(port), ...options });
  return client.on("error", () => {}); // a lost connection is told as an event too
}

async function exchange(client) {
  assert.equal(await client.ping(), "PONG");
  assert.equal(await client.hset(name, "type", 2, "length", 5), 2);
  assert.equal(await client.get(name), "00000");
  assert.match(await client.info(name), /generated:1/);
  await assert.rejects(client.get("no-such"), /dispenser not found/);
  assert.equal(await client.del(name), 1);
  await client.quit();
}

const scenarios = {
  connect: () => exchange(connected()),
  RESP3: async () => {
    const client = connected({ protocol: 3 });
    assert.match(await client.client("INFO"), / resp=3/);
    await exchange(client);
  },
  TLS: () => exchange(connected({ tls: { ca: readFileSync(process.env.CA) } })),
  pool: async () => {
    const clients = Array.from({ length: 4 }, () => connected());
    await clients[0].hset(name, "type", 3);
    const drawn = await Promise.all(Array.from({ length: 200 }, (_, i) => clients[i % 4].get(name)));
    assert.deepEqual(drawn.map(Number).sort((a, b) => a - b).map(String), strings(0, 200));
    await Promise.all(clients.map((client) => client.quit()));
  },
  pipeline: async () => {
    const client = connected();
    await client.hset(name, "type", 3);
    const pipeline = client.pipeline();
    for (let i = 0; i < 1000; i++) pipeline.get(name);
    assert.deepEqual(await pipeline.exec(), strings(0, 1000).map((number) => [null, number]));
    await client.quit();
  },
  transaction: async () => {
    const client = connected();
    await client.hset(name, "type", 3);
    assert.deepEqual(await client.multi().get(name).get(name).exec(), [[null, "0"], [null, "1"]]);
    await client.quit();
  },
  reconnect: async () => {
    const client = connected();
    await client.hset(name, "type", 3);
    assert.equal(await client.get(name), "0");
    console.log("restart");
    const input = readline.createInterface({ input: process.stdin });
    await new Promise((resolve) => input.once("line", resolve));
    input.close();
    assert.equal(await client.get(name), "1");
    await client.quit();
  },
  AUTH: async () => {
    const stranger = connected({ password: "wrong", retryStrategy: null });
    await assert.rejects(stranger.ping());
    stranger.disconnect();
    const client = connected({ password: process.env.SECRET });
    assert.equal(await client.ping(), "PONG");
    await client.quit();
  },
  "ACL user": async () => {
    const client = connected({ username: "app", password: process.env.APP_SECRET });
    assert.equal(await client.get(name), "0");
    await assert.rejects(client.hset(name, "auto_disk", "pre_close"), /NOPERM/);
    await client.quit();
  },
};

scenarios[scenario]().then(
  () => console.log("ok"),
  (error) => { console.error(error); process.exit(1); },
);
