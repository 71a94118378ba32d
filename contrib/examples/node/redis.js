// Numbers from Node.js, with the package redis: npm install, then node redis.js [HOST:PORT]

import { createClient } from "redis";

const address = process.argv[2] ?? "127.0.0.1:6380";
const client = createClient({ url: `redis://${address}` });
client.on("error", (error) => {
  console.error(error.message);
  process.exit(1);
});
await client.connect();

// Defining again with the same fields changes nothing, so this can run at every start.
console.log(
  "HSET user_id:",
  await client.sendCommand(["HSET", "user_id", "type", "1", "length", "7"]),
);
console.log(
  "HSET order_id:",
  await client.sendCommand([
    "HSET", "order_id", "type", "2", "length", "12", "starting", "100000000000",
    "auto_disk", "pre_close",
  ]),
);

// Numbers are text: a number of type 2 keeps its zeros on the left.
console.log("GET user_id:", await client.get("user_id"));
for (let i = 0; i < 3; i++) console.log("GET order_id:", await client.get("order_id"));

// Many numbers in one round trip: the client pipelines what is sent in one turn.
const numbers = await Promise.all([1, 2, 3].map(() => client.get("order_id")));
console.log("pipeline:", ...numbers);

const info = await client.info("order_id");
const line = (key) => info.match(new RegExp(`^${key}:(.*?)\r?$`, "m"))?.[1];
console.log("INFO order_id:", line("current"), line("auto_disk"), line("waste_rate"));

// Only because this is an example: a dispenser in use is not deleted.
console.log("DEL:", await client.del(["user_id", "order_id"]));
await client.quit();
