// Usage: node node_redis.js SCENARIO PORT NAME (see ../scenarios.py). CLIENT_PACKAGE: the package "redis" of some version.
const assert = require("node:assert");
const { readFileSync } = require("node:fs");
const readline = require("node:readline/promises");
const redis = require(process.env.CLIENT_PACKAGE);

const [scenario, port, name] = process.argv.slice(2);
const strings = (from, to) => Array.from({ length: to - from }, (_, i) => String(from + i));
const quiet = (client) => client.on("error", () => {}); // a lost connection is told as an event too
const close = (client) => (client.close ?? client.quit).call(client);

async function connected(options = {}) {
  const socket = { host: "127.0.0.1", port: Number(port), ...options.socket };
  return quiet(redis.createClient({ ...options, socket })).connect().then((client) => client);
}

async function exchange(client) {
  assert.equal(await client.ping(), "PONG");
  assert.equal(await client.hSet(name, { type: "2", length: "5" }), 2);
  assert.equal(await client.get(name), "00000");
  assert.match(await client.info(name), /generated:1/);
  assert.equal(await client.exists(name), 1);
  await assert.rejects(client.get("no-such"), /dispenser not found/);
  assert.equal(await client.del(name), 1);
  await close(client);
}

async function drawAfter(client) {
  for (;;) {
    try {
      return await client.get(name);
    } catch (error) {
      if (!/closed|ECONN|offline|Disconnect/i.test(`${error.name} ${error.message}`)) throw error;
    }
  }
}

const scenarios = {
  connect: async () => exchange(await connected()),
  RESP3: async () => exchange(await connected({ RESP: 3 })),
  TLS: async () =>
    exchange(await connected({ socket: { tls: true, ca: readFileSync(process.env.CA) } })),
  pool: async () => {
    const client = await connected();
    await client.hSet(name, "type", "3");
    const pool = redis.createClientPool
      ? await quiet(redis.createClientPool({ socket: { port: Number(port) } }, { maximum: 4 })).connect()
      : client;
    const draw = () =>
      redis.createClientPool ? pool.get(name) : pool.executeIsolated((one) => one.get(name));
    const drawn = await Promise.all(Array.from({ length: 200 }, draw));
    assert.deepEqual(drawn.map(Number).sort((a, b) => a - b).map(String), strings(0, 200));
    if (pool !== client) await pool.close();
    await close(client);
  },
  pipeline: async () => {
    const client = await connected();
    await client.hSet(name, "type", "3");
    const drawn = await Promise.all(Array.from({ length: 1000 }, () => client.get(name)));
    assert.deepEqual(drawn, strings(0, 1000));
    await close(client);
  },
  transaction: async () => {
    const client = await connected();
    await client.hSet(name, "type", "3");
    assert.deepEqual(await client.multi().get(name).get(name).exec(), ["0", "1"]);
    await close(client);
  },
  reconnect: async () => {
    const client = await connected();
    await client.hSet(name, "type", "3");
    assert.equal(await client.get(name), "0");
    console.log("restart");
    const input = readline.createInterface({ input: process.stdin });
    await new Promise((resolve) => input.once("line", resolve));
    input.close();
    assert.equal(await drawAfter(client), "1");
    await close(client);
  },
  AUTH: async () => {
    await assert.rejects(connected({ password: "wrong", socket: { reconnectStrategy: false } }));
    const client = await connected({ password: process.env.SECRET });
    assert.equal(await client.ping(), "PONG");
    await close(client);
  },
  "ACL user": async () => {
    const client = await connected({ username: "app", password: process.env.APP_SECRET });
    assert.equal(await client.get(name), "0");
    await assert.rejects(client.hSet(name, "auto_disk", "pre_close"), /NOPERM/);
    await close(client);
  },
};

scenarios[scenario]().then(
  () => console.log("ok"),
  (error) => { console.error(error); process.exit(1); },
);
