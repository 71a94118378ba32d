"""Idle, slow, deaf and broken clients, no descriptors left: others do not notice (SPEC 5)."""

import re
import resource
import select
import socket
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from harness import places
from harness.resp import Closed, Resp, Status, encode
from harness.waiting import wait_for

PONG = Status(b"PONG")


@contextmanager
def descriptors(count):
    """Raises the limit of this process, and so of what it starts, to at least `count`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        pytest.skip(f"the hard limit of descriptors is {hard}, {count} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("threads", [1, 2])
def test_ten_thousand_idle_connections_cost_bounded_memory(new_server, threads):
    with descriptors(12_000), ExitStack() as stack:
        server = new_server("--threads", threads, "--maxclients", 11_000).start()
        client = stack.enter_context(server.connect())
        client.command("HSET", "x", "type", 3)
        growth = Growth(server, 80_000)  # 8 KiB a connection
        idle = []
        for _ in range(10_000):
            connection = socket.create_connection(server.address)
            idle.append(stack.enter_context(connection))
        for number in range(100):
            assert client.command("GET", "x") == b"%d" % number
        for connection in idle[::50]:
            connection.sendall(b"PING\r\n")
            assert connection.recv(100) == b"+PONG\r\n"
        growth.check()
    with server.connect() as client:
        assert client.command("GET", "x") == b"100"


class Growth:
    """Memory that the server has taken since, against a limit; keeps a failure from filling RAM."""

    def __init__(self, server, limit_kib):
        self.server = server
        self.limit_kib = limit_kib * places.memory_factor()
        self.before_kib = server.memory_kib()

    def check(self):
        kib = self.server.memory_kib() - self.before_kib
        assert kib < self.limit_kib, f"{kib} KiB more, at most {self.limit_kib} are allowed"


def stuff(connection, data, growth, limit=1 << 28):
    """Sends without reading, until the server takes no more, or closes, or had `limit` bytes."""
    connection.socket.setblocking(False)
    sent = 0
    while sent < limit and select.select([], [connection.socket], [], 1.0)[1]:
        growth.check()
        try:
            sent += connection.socket.send(data)
        except BlockingIOError:
            continue
        except OSError:
            break
    return sent


@pytest.mark.parametrize(
    "request_bytes",
    [b"INFO\r\n", b"GET x\r\n", encode("ECHO", b"e" * 100_000), b"COMMAND\r\n"],
    ids=["INFO", "GET", "large ECHO", "COMMAND"],
)
def test_a_client_that_never_reads_costs_bounded_memory(start, request_bytes):
    server = start()
    with server.connect() as client, server.connect() as deaf:
        client.command("HSET", "x", "type", 3, "auto_disk", "pre_close")
        growth = Growth(server, 64_000)
        data = request_bytes * max(1, 65_536 // len(request_bytes))
        limit = 1 << 28
        assert (
            stuff(deaf, data, growth, limit) < limit
        ), "a server that takes everything has no limit"
        first = int(client.command("GET", "x"))
        for number in range(1, 200):
            assert client.command("GET", "x") == b"%d" % (first + number)
            growth.check()


def test_many_clients_that_never_read_leave_the_server_serving(start):
    server = start("--threads", 2)
    with ExitStack() as stack:
        client = stack.enter_context(server.connect())
        growth = Growth(server, 400_000)
        for _ in range(50):
            deaf = stack.enter_context(server.connect())
            deaf.socket.setblocking(False)
            for _ in range(100):
                deaf.send_quietly(b"INFO\r\n" * 10_000)
                growth.check()
        for _ in range(200):
            assert client.command("PING") == PONG
            growth.check()


def test_a_client_that_reads_late_gets_everything_or_the_end(start):
    """What a slow reader gets is the beginning of the right answer, whole if it is not cut off."""
    server = start()
    with server.connect() as setup:
        setup.command("HSET", "x", "type", 3, "auto_disk", "memory")
    with server.connect() as late:
        late.send(b"GET x\r\n" * 20_000)
        with server.connect() as other:
            assert other.command("PING") == PONG
        for number in range(20_000):
            assert late.read() == b"%d" % number


def complains(server):
    return re.findall(
        r"(?im)^.*(?:descriptor|too many open files|EMFILE|max number of clients).*$", server.log()
    )


def test_out_of_descriptors_it_goes_on_and_says_so_once(new_server):
    server = new_server(wrapper=("prlimit", "--nofile=64:64")).start()
    with server.connect() as client:
        client.command("HSET", "x", "type", 3)
        crowd = [server.connect() for _ in range(150)]
        wait_for(lambda: complains(server), "the log to say that descriptors ran out")
        for number in range(100):
            assert client.command("GET", "x") == b"%d" % number
        for connection in crowd:
            connection.close()
        assert client.command("GET", "x") == b"100"
        wait_for(lambda: serves(server), "new connections to be served again")
        assert len(complains(server)) == 1, server.log()


def serves(server):
    """Whether a new connection is answered soon."""
    try:
        with Resp(server.address, timeout_s=0.5) as client:
            return client.command("PING") == PONG
    except (OSError, Closed):
        return False


def test_clients_that_reset_leave_nothing_behind(start):
    server = start()
    with server.connect() as client:
        client.command("HSET", "x", "type", 3)
        before = len(open_descriptors(server))
        for turn in range(300):
            with server.connect() as rude:
                rude.send(b"GET x\r\n" * (turn % 40) + b"*2\r\n$3\r\nGE")
                rude.reset()
        # Descriptors that were ever used for connections come back.
        wait_for(lambda: len(open_descriptors(server)) <= before, "the connections to be closed")
        numbers = [int(client.command("GET", "x")) for _ in range(10)]
        assert numbers == list(range(numbers[0], numbers[0] + 10))
    assert "reset" not in server.log().lower(), "a reset is no news for the log"


def open_descriptors(server):
    fd_folder = f"/proc/{server.process.pid}/fd"
    return list(Path(fd_folder).iterdir())


def test_the_count_of_clients_falls_when_they_leave(start):
    server = start("--threads", 2)

    def connected(client):
        return int(re.search(rb"connected_clients:(\d+)", client.command("INFO", "clients"))[1])

    with server.connect() as client:
        wait_for(lambda: connected(client) == 1, "the client that probed the start to be gone")
        others = [server.connect() for _ in range(30)]
        for other in others:
            assert other.command("PING") == PONG
        assert connected(client) == 31
        for index, other in enumerate(others):
            if index % 2:
                other.reset()
            else:
                other.close()
        wait_for(lambda: connected(client) == 1, "the others to be gone")


@pytest.mark.parametrize("strategy", ["memory", "elegant_close"])
def test_a_client_that_half_closes_gets_its_replies(start, strategy):
    server = start()
    with server.connect() as client:
        client.command("HSET", "x", "type", 3, "auto_disk", strategy)
        client.send(b"GET x\r\n" * 3000)
        client.socket.shutdown(socket.SHUT_WR)
        assert [client.read() for _ in range(3000)] == [b"%d" % number for number in range(3000)]
        assert client.is_closed()


def test_a_request_cut_off_by_the_end_of_the_connection_is_not_run(start):
    server = start()
    with server.connect() as client, server.connect() as cut:
        client.command("HSET", "x", "type", 3)
        cut.send(encode("GET", "x") + encode("GET", "x")[:-1])
        cut.socket.shutdown(socket.SHUT_WR)
        assert cut.read() == b"0"
        assert cut.is_closed()
        assert client.command("GET", "x") == b"1"


def test_trickling_clients_slow_nobody(start):
    server = start()
    request = encode("GET", "x")
    with ExitStack() as stack:
        client = stack.enter_context(server.connect())
        client.command("HSET", "x", "type", 3)
        trickling = [stack.enter_context(server.connect()) for _ in range(50)]
        for index in range(len(request) - 1):
            for slow in trickling:
                slow.send(request[index : index + 1])
            assert client.command("GET", "x") == b"%d" % index
        for number, slow in enumerate(trickling, start=len(request) - 1):
            slow.send(request[-1:])
            assert slow.read() == b"%d" % number


def test_connections_come_and_go_quickly(start):
    server = start("--threads", 2)
    with server.connect() as client:
        client.command("HSET", "x", "type", 3)
        for number in range(2000):
            with server.connect() as brief:
                assert brief.command("GET", "x") == b"%d" % number
    with server.connect() as client:
        assert client.command("QUIT") == Status(b"OK")
        assert client.is_closed()
