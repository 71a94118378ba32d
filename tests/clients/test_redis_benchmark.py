"""redis-benchmark, which ends at the first error reply."""

import re
import subprocess

import pytest
from scenarios import APP, APP_SECRET, SECRET

REQUESTS = 5_000
shows = pytest.mark.shows


def benchmark(place, *arguments):
    """The names of what ran."""
    done = subprocess.run(
        ["redis-benchmark", "-p", str(place.port), "-q", "-n", str(REQUESTS), *map(str, arguments)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    output = done.stdout + done.stderr
    assert "Error " not in output and "WARNING: Could not" not in output, output
    return set(re.findall(r"([\w -]+): [\d.]+ requests per second", output.replace("\r", "\n")))


def drawn(place):
    lines = place.command("INFO", place.name).decode().split()
    return int(dict(line.split(":", 1) for line in lines)["generated"])


def draws(place, *arguments):
    """Draws with these options, every number once."""
    before = drawn(place)
    benchmark(place, *arguments, "GET", place.name)
    assert drawn(place) - before >= REQUESTS


@pytest.fixture(name="place")
def place_fixture(stage):
    place = stage("connect")
    place.command("HSET", place.name, "type", 3, "auto_disk", "pre_close")
    return place


@shows("redis-benchmark", "connect")
def test_its_own_tests(place):
    place.command("HSET", "key:__rand_int__", "type", 3)
    assert benchmark(place, "-t", "ping,get", "-c", 50) == {"PING_INLINE", "PING_MBULK", "GET"}


@shows("redis-benchmark", "pool")
def test_a_hundred_connections_and_two_threads(place):
    draws(place, "-c", 100, "--threads", 2)


@shows("redis-benchmark", "pipeline")
@pytest.mark.parametrize("depth", [16, 128])
@pytest.mark.parametrize("strategy", ["pre_close", "elegant_close"])
def test_pipelines(place, depth, strategy):
    place.command("HSET", place.name, "auto_disk", strategy)
    draws(place, "-P", depth, "-c", 20)


@shows("redis-benchmark", "-k 0")
def test_a_connection_for_each_request(place):
    draws(place, "-k", 0)


@shows("redis-benchmark", "RESP3")
def test_resp3(place):
    draws(place, "-3")


@shows("redis-benchmark", "AUTH")
def test_password(stage):
    place = stage("ACL user")
    draws(place, "-a", SECRET)


@shows("redis-benchmark", "ACL user")
def test_user(stage):
    place = stage("ACL user")
    before = drawn(place)
    # It asks for CONFIG first, which this user may not, and says so; then it draws.
    subprocess.run(
        ["redis-benchmark", "-p", str(place.port), "-q", "-n", str(REQUESTS), "--user", APP, "-a",
         APP_SECRET, "GET", place.name],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    assert drawn(place) - before >= REQUESTS


@shows("redis-benchmark", "TLS")
def test_tls(stage):
    place = stage("TLS")
    place.command("HSET", place.name, "type", 3)
    draws(place, "--tls", "--cacert", place.authority)
