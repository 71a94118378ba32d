"""redis_exporter, which Prometheus asks for what INFO, CONFIG, LATENCY and SLOWLOG say."""

import contextlib
import re
import shutil
import subprocess
import urllib.request

import pytest
from scenarios import APP, APP_SECRET, SECRET

from harness import places
from harness.waiting import wait_for

PROGRAM = "prometheus-redis-exporter"


def shows(feature):
    return pytest.mark.shows("redis_exporter", feature)


@contextlib.contextmanager
def exporter(*arguments):
    """Runs it; gives a function that reads its metrics as a dictionary."""
    if shutil.which(PROGRAM) is None:
        pytest.skip(f"{PROGRAM} is not installed")
    port = places.free_port()
    process = subprocess.Popen(
        [PROGRAM, "--web.listen-address", f"127.0.0.1:{port}", *map(str, arguments)],
        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def metrics():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=120) as page:
                text = page.read().decode()
        except OSError:
            return None
        return {key: float(value) for key, value in re.findall(r"^(redis_.+) (\S+)$", text, re.M)}

    try:
        wait_for(metrics, "the exporter to answer")
        yield metrics
    finally:
        process.kill()
        process.wait()


def assert_complete(metrics):
    assert metrics["redis_up"] == 1
    assert metrics['redis_exporter_last_scrape_error{err=""}'] == 0


@shows("connect")
def test_what_a_dashboard_shows(stage):
    place = stage("connect")
    place.command("HSET", place.name, "type", 3)
    place.command("GET", place.name)
    with exporter("--redis.addr", f"redis://127.0.0.1:{place.port}") as metrics:
        seen = metrics()
    assert_complete(seen)
    assert seen['redis_commands_total{cmd="get"}'] >= 1
    assert seen['redis_db_keys{db="db0"}'] >= 1
    # A server with one database is not said to have sixteen.
    assert not [key for key in seen if key.startswith('redis_db_keys{db="db1')]
    assert "redis_uptime_in_seconds" in seen
    for name in ("connected_clients", "memory_used_bytes", "net_input_bytes_total"):
        assert seen[f"redis_{name}"] > 0, name


@shows("looks, draws nothing")
def test_looking_at_a_key_draws_nothing(stage):
    place = stage("connect")
    place.command("HSET", place.name, "type", 3)
    address = f"redis://127.0.0.1:{place.port}"
    with exporter("--redis.addr", address, "--check-keys", place.name) as metrics:
        assert_complete(metrics())
    assert place.command("GET", place.name) == b"0"


@shows("reconnect")
def test_server_that_comes_back_is_up_again(stage):
    place = stage("reconnect")
    with exporter("--redis.addr", f"redis://127.0.0.1:{place.port}") as metrics:
        assert_complete(metrics())
        place.server.kill9()
        assert metrics()["redis_up"] == 0
        place.server.start()
        assert_complete(metrics())


@shows("AUTH")
def test_password(stage):
    place = stage("AUTH")
    with exporter("--redis.addr", f"redis://127.0.0.1:{place.port}") as metrics:
        assert metrics()["redis_up"] == 0
    with exporter("--redis.addr", f"redis://127.0.0.1:{place.port}", "--redis.password", SECRET) as metrics:
        assert_complete(metrics())


@shows("ACL user")
def test_user(stage):
    place = stage("ACL user")
    address = ("--redis.addr", f"redis://127.0.0.1:{place.port}", "--redis.user", APP)
    with exporter(*address, "--redis.password", APP_SECRET) as metrics:
        assert metrics()["redis_up"] == 1


@shows("TLS")
def test_tls(stage):
    place = stage("TLS")
    address = ("--redis.addr", f"rediss://localhost:{place.port}")
    with exporter(*address, "--tls-ca-cert-file", place.authority) as metrics:
        assert_complete(metrics())
