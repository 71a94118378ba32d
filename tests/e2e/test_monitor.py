"""MONITOR: every request on every loop, in Redis's format, without secrets and in bounded memory."""

import re

import pytest

from harness.resp import Closed, Status, encode
from harness.waiting import PATIENCE, TIMEOUT_S, wait_for

OK = Status(b"OK")
LINE = re.compile(rb"(\d+\.\d{6}) \[0 (127\.0\.0\.1:\d+)\] (.*)", re.DOTALL)


@pytest.fixture(name="server", params=[1, 3], ids=["one-loop", "three-loops"])
def server_fixture(start, request):
    return start("--threads", request.param)


@pytest.fixture(name="monitor")
def monitor_fixture(server):
    with server.connect() as monitor:
        assert monitor.command("MONITOR") == OK
        yield monitor


def next_line(monitor):
    """(address, request) of the next line."""
    reply = monitor.read()
    assert isinstance(reply, Status)
    found = LINE.fullmatch(reply)
    assert found, reply
    return found[2].decode(), found[3]


def test_requests_of_every_loop_are_shown(server, monitor, name):
    for number in range(6):
        with server.connect() as client:
            assert client.command("ECHO", number) == b"%d" % number
            address = "%s:%d" % client.socket.getsockname()
            assert next_line(monitor) == (address, b'"ECHO" "%d"' % number)
    with server.connect() as client:
        client.command("HSET", name, "type", 3)
        client.pipeline([("GET", name)] * 500)
    assert next_line(monitor)[1].startswith(b'"HSET"')
    assert [next_line(monitor)[1] for _ in range(500)] == [b'"GET" "%s"' % name.encode()] * 500


def test_nothing_secret_is_shown(server, monitor):
    with server.connect() as client:
        client.command("AUTH", "default", "hunter2")
        client.command("HELLO", 3, "AUTH", "default", "hunter2")
        client.command("ACL", "SETUSER", "u", "on", ">hunter2")
        client.command("CONFIG", "SET", "requirepass", "hunter2")
        client.command("CONFIG", "SET", "requirepass", "")
        client.command("ECHO", "end")
    lines = [next_line(monitor)[1] for _ in range(3)]
    assert lines[0] == b'"AUTH" "(redacted)" "(redacted)"'
    assert lines[1] == b'"HELLO" "3" "AUTH" "(redacted)" "(redacted)"'
    assert lines[2] == b'"ECHO" "end"'


def test_reset_and_quit_end_it(server, monitor):
    with server.connect() as client:
        assert monitor.command("RESET") == Status(b"RESET")
        client.command("PING")
        assert monitor.command("ECHO", "x") == b"x", "no line comes between"
        assert monitor.command("MONITOR") == OK
        client.command("PING")
        assert next_line(monitor)[1] == b'"PING"'
        monitor.send(encode("QUIT"))
        assert monitor.read() == OK
        assert monitor.is_closed()
        assert client.command("PING") == Status(b"PONG")


def test_a_monitor_that_does_not_read_is_closed(server, monitor):
    with server.connect() as client:
        large = "x" * 500_000

        def gone():
            client.command("ECHO", large)
            return b"flags=O" not in client.command("CLIENT", "LIST")

        wait_for(gone, "the monitor to be closed")
        assert "monitors, but does not read" in server.log()
        assert server.memory_kib() < 200_000 or PATIENCE > 1
    monitor.socket.settimeout(TIMEOUT_S)
    with pytest.raises(Closed):
        while True:
            next_line(monitor)
