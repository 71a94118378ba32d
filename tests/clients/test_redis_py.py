"""redis-py, as Debian has it, in this process."""

import threading

import pytest
import redis
from scenarios import APP, APP_SECRET, SECRET, of

from harness.waiting import wait_for


def connect(place, **options):
    return redis.Redis(port=place.port, decode_responses=True, **options)


def exchange(client, place):
    assert client.ping() is True
    assert client.hset(place.name, mapping={"type": 2, "length": 5, "step": 2}) == 3
    assert [client.get(place.name) for _ in range(3)] == ["00000", "00002", "00004"]
    assert client.info(place.name)["generated"] == 3
    assert client.info()["redis_version"]
    assert client.echo("x") == "x"
    assert client.exists(place.name, "no-such") == 1
    with pytest.raises(redis.ResponseError, match="dispenser not found"):
        client.get("no-such")
    with pytest.raises(redis.ResponseError, match="step"):
        client.hset(place.name, "step", "0")
    assert client.delete(place.name, "no-such") == 1


def play_connect(place):
    client = connect(place, client_name="tester")
    exchange(client, place)
    assert client.client_getname() == "tester"


def play_pool(place):
    client = redis.Redis(connection_pool=redis.BlockingConnectionPool(port=place.port, max_connections=4))
    client.hset(place.name, "type", 3)
    drawn = []
    threads = [
        threading.Thread(target=lambda: drawn.extend(int(client.get(place.name)) for _ in range(100)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(drawn) == list(range(800))


def play_pipeline(place):
    client = connect(place)
    client.hset(place.name, "type", 3)
    pipeline = client.pipeline(transaction=False)
    for _ in range(1000):
        pipeline.get(place.name)
    assert pipeline.execute() == [str(number) for number in range(1000)]


def play_transaction(place):
    client = connect(place)
    client.hset(place.name, "type", 3)
    assert client.pipeline(transaction=True).get(place.name).incr(place.name).execute() == ["0", 1]
    with pytest.raises(redis.ResponseError, match="WATCH"):
        client.pipeline().watch(place.name)


def play_reconnect(place):
    client = connect(place)
    client.hset(place.name, "type", 3)
    assert client.get(place.name) == "0"
    place.server.crash()

    def draw():
        try:
            return client.get(place.name)
        except redis.ConnectionError:
            return None

    assert wait_for(draw, "a number after the restart") == "1"


def play_auth(place):
    with pytest.raises(redis.AuthenticationError):
        connect(place).ping()
    with pytest.raises(redis.exceptions.ResponseError):
        connect(place, password="wrong").ping()
    assert connect(place, password=SECRET).ping() is True


def play_acl_user(place):
    client = connect(place, username=APP, password=APP_SECRET)
    assert client.get(place.name) == "0"
    with pytest.raises(redis.exceptions.NoPermissionError):
        client.hset(place.name, "auto_disk", "pre_close")
    with pytest.raises(redis.exceptions.NoPermissionError):
        client.get("another")


def play_tls(place):
    exchange(connect(place, ssl=True, ssl_ca_certs=place.authority), place)


@of("redis-py", "connect", "pool", "pipeline", "transaction", "reconnect", "AUTH", "ACL user", "TLS")
def test_redis_py(stage, scenario):
    globals()[f"play_{scenario.lower().replace(' ', '_')}"](stage(scenario))
