"""Real clients: python3-redis, node's redis and ioredis, redis-benchmark."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import redis

from harness import places
from harness.waiting import TIMEOUT_S

NODE_SCRIPTS = Path(__file__).parent / "node"


def run(*command, cwd=None, timeout_s=3 * TIMEOUT_S):
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return done.returncode, done.stdout


def test_python_redis(shared, name):
    client = redis.Redis(port=shared.port, decode_responses=True, client_name="tester")
    assert client.ping() is True
    assert client.hset(name, mapping={"type": 2, "length": 5, "starting": 7, "step": 2}) == 4
    assert [client.get(name) for _ in range(3)] == ["00007", "00009", "00011"]
    pipeline = client.pipeline(transaction=False)
    for _ in range(1000):
        pipeline.get(name)
    assert pipeline.execute() == [f"{number:05}" for number in range(13, 2013, 2)]
    assert client.exists(name) == 1
    assert client.info()["redis_version"]
    assert client.info(name)["generated"] == 1003
    assert client.echo("x") == "x"
    with pytest.raises(redis.ResponseError, match="dispenser not found"):
        client.get("no-such")
    with pytest.raises(redis.ResponseError, match="step"):
        client.hset(name, "step", "0")
    assert client.delete(name, "no-such") == 1
    assert client.client_getname() == "tester"
    assert client.config_get("save") is not None
    client.close()


def test_python_redis_with_a_password(start):
    server = start("--requirepass", "secret")
    client = redis.Redis(port=server.port, password="secret")
    assert client.ping() is True
    client.close()
    stranger = redis.Redis(port=server.port)
    with pytest.raises(redis.AuthenticationError):
        stranger.ping()
    stranger.close()


@pytest.fixture(scope="module", name="node_folder")
def node_folder_fixture():
    """A folder with both packages installed."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    folder = places.new_folder()
    try:
        (folder / "package.json").write_text("{}")
        install = (
            "npm",
            "install",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "redis",
            "ioredis",
        )
        status, output = run(*install, cwd=folder, timeout_s=120)
        if status != 0:
            pytest.skip(f"npm cannot install: {output[-300:]}")
        yield folder
    finally:
        places.remove(folder)


@pytest.mark.parametrize("script", ["node_redis.js", "ioredis.js"])
@pytest.mark.parametrize("threads", [1, 2])
def test_node_clients(start, node_folder, script, threads):
    server = start("--threads", threads)
    copy = shutil.copy(NODE_SCRIPTS / script, node_folder / f"run-{script}")
    status, output = run("node", copy, server.port, cwd=node_folder)
    assert (status, output) == (0, "all is well\n")


def benchmark(server, *arguments):
    status, output = run("redis-benchmark", "-p", server.port, "-q", *arguments)
    assert status == 0, output
    assert "Error" not in output and "WARN" not in output, output
    return re.findall(r"([\w -]+): [\d.]+ requests per second", output.replace("\r", "\n"))


def test_redis_benchmark_ping_and_get(start):
    server = start()
    with server.connect() as client:
        client.command("HSET", "key:__rand_int__", "type", 3)
    ran = benchmark(server, "-t", "ping,get", "-n", 20_000, "-c", 50, "-P", 16)
    assert set(ran) == {"PING_INLINE", "PING_MBULK", "GET"}
    with server.connect() as client:
        assert int(client.info("key:__rand_int__")["generated"]) >= 20_000


@pytest.mark.parametrize("pipeline", [1, 16, 128])
@pytest.mark.parametrize("strategy", ["pre_close", "elegant_close"])
def test_redis_benchmark_draws(start, strategy, pipeline):
    server = start()
    with server.connect() as client:
        client.command("HSET", "orders", "type", 3, "auto_disk", strategy)
        benchmark(server, "-n", 5_000, "-c", 20, "-P", pipeline, "GET", "orders")
        info = client.info("orders")
        assert int(info["generated"]) >= 5_000 and info["wasted"] == "0"
        assert client.command("GET", "orders") == info["generated"].encode()
