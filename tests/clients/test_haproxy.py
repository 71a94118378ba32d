"""HAProxy before the server: its checks find it up and down, and clients draw through it."""

import contextlib
import csv
import shutil
import socket
import subprocess

import pytest
from scenarios import SECRET

from harness import places
from harness.resp import Resp
from harness.waiting import wait_for

CONFIGURATION = """
global
    stats socket {folder}/stats level user
defaults
    mode tcp
    timeout connect 20s
    timeout client 20s
    timeout server 20s
    timeout check 20s
listen proxy
    bind 127.0.0.1:{front}
{check}
    server dispenser 127.0.0.1:{port} check inter 50ms rise 1 fall 1 {options}
"""

# As HAProxy's manual has it for a master of Redis, after a password where there is one.
TCP_CHECK = r"""
    option tcp-check
    {auth}
    tcp-check send PING\r\n
    tcp-check expect string +PONG
    tcp-check send info\ replication\r\n
    tcp-check expect string role:master
    tcp-check send QUIT\r\n
    tcp-check expect string +OK
"""
AUTH = rf"""
    tcp-check send AUTH\ {SECRET}\r\n
    tcp-check expect string +OK
"""


def shows(feature):
    return pytest.mark.shows("HAProxy", feature)


class Proxy:
    def __init__(self, folder, front):
        self.folder = folder
        self.address = ("127.0.0.1", front)

    def status(self):
        """UP, DOWN ... of the server behind it; None while it starts."""
        try:
            with socket.socket(socket.AF_UNIX) as stats:
                stats.connect(str(self.folder / "stats"))
                stats.sendall(b"show stat\n")
                table = b"".join(iter(lambda: stats.recv(65536), b"")).decode()
        except OSError:
            return None
        rows = csv.DictReader(table.lstrip("# ").splitlines())
        return next(row for row in rows if row["svname"] == "dispenser")["status"]

    def wait_for(self, status):
        wait_for(lambda: self.status() == status, f"HAProxy to see the server {status}")


@contextlib.contextmanager
def proxy(folder, place, check, options=""):
    if shutil.which("haproxy") is None:
        pytest.skip("haproxy is not installed")
    front = places.free_port()
    configuration = folder / "haproxy.cfg"
    configuration.write_text(CONFIGURATION.format(folder=folder, front=front, port=place.port, check=check,
                                                  options=options))
    process = subprocess.Popen(["haproxy", "-db", "-q", "-f", configuration], stdin=subprocess.DEVNULL)
    try:
        yield Proxy(folder, front)
    finally:
        process.kill()
        process.wait()


def follow(seen, place):
    """Draws through the proxy; the server ends and comes back, and the proxy sees both."""
    seen.wait_for("UP")
    with Resp(seen.address) as client:
        client.command("HSET", place.name, "type", 3)
        assert client.command("GET", place.name) == b"0"
    place.server.kill9()
    seen.wait_for("DOWN")
    place.server.start()
    seen.wait_for("UP")
    with Resp(seen.address) as client:
        assert client.command("GET", place.name) == b"1"


@shows("option redis-check")
def test_redis_check(stage, tmp_path):
    place = stage("reconnect")
    with proxy(tmp_path, place, "    option redis-check") as seen:
        follow(seen, place)


@shows("tcp-check")
def test_tcp_check_of_a_master(stage, tmp_path):
    place = stage("reconnect")
    with proxy(tmp_path, place, TCP_CHECK.format(auth="")) as seen:
        follow(seen, place)


@shows("AUTH")
def test_check_with_a_password(stage, tmp_path):
    place = stage("AUTH")
    with proxy(tmp_path, place, TCP_CHECK.format(auth=AUTH)) as seen:
        seen.wait_for("UP")


@shows("AUTH")
def test_check_without_the_password_fails(stage, tmp_path):
    place = stage("AUTH")
    with proxy(tmp_path, place, TCP_CHECK.format(auth="")) as seen:
        seen.wait_for("DOWN")


@shows("TLS")
def test_check_over_tls(stage, tmp_path):
    place = stage("TLS")
    options = f"ssl verify required ca-file {place.authority}"
    with proxy(tmp_path, place, TCP_CHECK.format(auth=""), options) as seen:
        seen.wait_for("UP")
        with Resp(seen.address) as client:
            assert client.command("HSET", place.name, "type", 3) == 1
            assert client.command("GET", place.name) == b"0"


@shows("connect")
def test_clients_connect_through_it(stage, tmp_path):
    place = stage("connect")
    with proxy(tmp_path, place, "    option redis-check") as seen:
        seen.wait_for("UP")
        with Resp(seen.address) as client:
            assert client.command("PING") == b"PONG"
