#!/usr/bin/python3
"""Numbers from Python, with redis-py (Debian: python3-redis).

Usage: example.py [HOST:PORT]
"""

import sys

import redis


def main():
    host, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:6380").rsplit(":", 1)
    client = redis.Redis(host=host, port=int(port), decode_responses=True)

    # Defining again with the same fields changes nothing, so this can run at every start.
    print("HSET user_id:", client.execute_command("HSET", "user_id", "type", "1", "length", "7"))
    print("HSET order_id:", client.execute_command(
        "HSET", "order_id", "type", "2", "length", "12", "starting", "100000000000",
        "auto_disk", "pre_close"))

    # Numbers are text: a number of type 2 keeps its zeros on the left.
    print("GET user_id:", client.get("user_id"))
    for _ in range(3):
        print("GET order_id:", client.get("order_id"))

    # Many numbers in one round trip.
    pipeline = client.pipeline(transaction=False)
    for _ in range(3):
        pipeline.get("order_id")
    print("pipeline:", *pipeline.execute())

    info = client.info("order_id")
    print("INFO order_id:", info["current"], info["auto_disk"], info["waste_rate"])

    # Only because this is an example: a dispenser in use is not deleted.
    print("DEL:", client.delete("user_id", "order_id"))


if __name__ == "__main__":
    main()
