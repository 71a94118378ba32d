"""Whoever comes to the TLS port: scanners, plain clients, clients that stall; and crashes under load."""

import os
import socket
import ssl
import threading

import pytest

from harness import places
from harness.promise import promise
from harness.resp import Closed, Resp, Status, encode
from harness.tls import TlsServer
from harness.waiting import PATIENCE, TIMEOUT_S, wait_for

STALLED = 1000
HANDSHAKE_S = 10  # as in src/net/connection.cc


@pytest.fixture(name="serve")
def serve_fixture(new_server):
    return lambda *options, **settings: TlsServer(new_server(**settings), *options).start()


def hello():
    """A ClientHello as bytes."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def connected(tls):
    with tls.server.connect() as client:
        return int(client.info("clients")["connected_clients"]) - 1


NONSENSE = [
    b"PING\r\n",
    encode("GET", "x"),
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x80\x2e\x01\x03\x01",  # an SSL 2 hello
    b"\x15\x03\x01\x00\x02\x01\x00",  # an alert
    b"\x16\x03\x01\xff\xff\x01",  # a record that is too long
    b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",  # a message of the server's
    b"\x16\x03\x01\x00\x04\x01\x01\x00\x00",  # a hello of 64 KiB
    b"\x16\x03\x01\x00\x00",  # an empty record
    bytes(1000),
]


@pytest.mark.parametrize("data", NONSENSE, ids=range(len(NONSENSE)))
def test_what_is_not_tls_is_closed_with_a_debug_line_at_most(serve, data):
    tls = serve()
    with tls.quiet(), tls.plain() as scanner:
        scanner.send_quietly(data)
        assert not scanner.read_to_end().startswith((b"-", b"+", b"$"))
    assert tls.redis_cli("PING") == "PONG"


def test_a_debug_line_says_why(serve):
    tls = serve("--log-level", "debug")
    with tls.plain() as client:
        client.send(b"PING\r\n")
        assert client.is_closed()
    assert "debug: closed a TLS connection: the client does not speak TLS" in tls.server.log()


def test_a_tls_client_on_the_plain_port_gets_an_error_at_once(serve):
    tls = serve()
    with tls.quiet():
        for _ in range(20):
            with socket.create_connection(tls.server.address, timeout=TIMEOUT_S) as raw:
                context = tls.authority.context()
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    context.wrap_socket(raw, server_hostname="localhost")
    with tls.server.connect() as client:
        assert client.command("PING") == Status(b"PONG")


def test_scanners_leave_no_line(serve):
    tls = serve()
    with tls.quiet():
        for size in (0, 1, 5, 9, 100):
            with tls.plain() as scanner:
                scanner.send(hello()[:size])
        for _ in range(20):
            scanner = tls.plain()
            scanner.send(hello())
            scanner.reset()
        wait_for(lambda: connected(tls) == 0, "the scanners to be gone")


def test_changed_bytes_of_a_hello_do_no_harm(serve, chance):
    """Any outcome but a crash; the sanitized build sees what goes wrong inside."""
    tls = serve()
    good = hello()
    with tls.quiet():
        for _ in range(300):
            data = bytearray(good)
            for _ in range(chance.choice((1, 1, 3, 10))):
                data[chance.randrange(5, len(data))] = chance.randrange(256)
            with tls.plain() as scanner:
                scanner.send_quietly(bytes(data))
                scanner.socket.shutdown(socket.SHUT_WR)
                scanner.read_to_end()
    assert tls.redis_cli("PING") == "PONG"


def test_stalled_handshakes_cost_little_and_end(serve):
    """A third has said nothing, a third half of its hello, a third is in the middle."""
    tls = serve()
    data = hello()
    with tls.connect() as client:
        client.command("PING")
        before = tls.server.memory_kib()
        stalled = [tls.plain(timeout_s=3 * HANDSHAKE_S * PATIENCE) for _ in range(STALLED)]
        for index, peer in enumerate(stalled):
            peer.send((b"", data[:100], data)[index % 3])
        for peer in stalled[2::3]:
            assert peer.socket.recv(1)
        grown_kib = tls.server.memory_kib() - before
        assert grown_kib < 24 * 1024 * places.memory_factor(), f"{grown_kib} KiB"
        assert client.command("PING") == Status(b"PONG")
        with tls.quiet():
            for peer in stalled:
                peer.read_to_end()
                peer.close()
        wait_for(lambda: connected(tls) == 1, "the stalled connections to be gone")
        # Who has shaken hands may take its time.
        assert client.command("PING") == Status(b"PONG")


@pytest.mark.skipif(places.memory_factor() > 1, reason="a sanitizer keeps what was freed")
def test_idle_connections_cost_little(serve):
    tls = serve()
    with tls.connect() as first:
        first.command("PING")
    before = tls.server.memory_kib()
    idle = [tls.connect() for _ in range(300)]
    for client in idle:
        assert client.command("ECHO", "e" * 50_000) == b"e" * 50_000
    # The buffers go back within two seconds.
    limit_kib = 300 * 32
    wait_for(lambda: tls.server.memory_kib() - before < limit_kib, "the memory to be given back")
    for client in idle:
        client.close()


def test_a_client_that_sends_a_byte_at_a_time_is_served(serve):
    tls = serve()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = tls.authority.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with tls.plain() as raw:

        def flush():
            for byte in outgoing.read():
                raw.send(bytes([byte]))

        def go_on(step):
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    flush()
                    incoming.write(raw.socket.recv(1 << 16))

        go_on(client.do_handshake)
        client.write(b"PING\r\n")
        flush()
        assert go_on(lambda: client.read(100)) == b"+PONG\r\n"


def test_a_client_that_never_reads_is_bounded(serve):
    tls = serve()
    with tls.connect() as greedy, tls.connect() as other:
        other.command("PING")
        before = tls.server.memory_kib()
        greedy.socket.settimeout(1)
        request = encode("ECHO", "e" * 10_000) * 100
        with pytest.raises(TimeoutError):
            for _ in range(100):
                greedy.socket.sendall(request)
        assert tls.server.memory_kib() - before < 16 * 1024 * places.memory_factor()
        assert other.command("PING") == Status(b"PONG")


def draw_until_cut(tls, numbers):
    """Batches of GETs over TLS until the server is gone; what arrived is appended."""
    batch = encode("GET", "x") * 50
    try:
        with tls.connect() as client:
            while True:
                client.send(batch)
                for _ in range(50):
                    numbers.append(int(client.read()))
    except (OSError, Closed, ssl.SSLError):
        pass


@pytest.mark.parametrize("strategy", ["elegant_close", "pre_close"])
def test_no_number_twice_through_tls_and_sigkill(serve, chance, strategy):
    tls = serve()
    with tls.connect() as client:
        client.command("HSET", "x", "type", 3, "auto_disk", strategy)
    seen = set()
    for _ in range(int(os.environ.get("ND_ROUNDS", "6"))):
        streams = [[] for _ in range(4)]
        threads = [threading.Thread(target=draw_until_cut, args=(tls, s)) for s in streams]
        for thread in threads:
            thread.start()
        wanted = chance.randrange(1, 3000)
        wait_for(lambda: sum(map(len, streams)) >= wanted, "numbers to arrive")
        tls.server.kill9()
        for thread in threads:
            thread.join(TIMEOUT_S)
            assert not thread.is_alive()
        for stream in streams:
            promise(stream == sorted(stream), "not increasing")
        numbers = [number for stream in streams for number in stream]
        promise(len(set(numbers)) == len(numbers) and not seen & set(numbers), "a number twice")
        seen |= set(numbers)
        tls.server.start()
    with Resp(tls.server.address) as client:
        promise(int(client.command("GET", "x")) > max(seen), "a number twice")
        promise(client.info("x")["wasted"] == "0", client.info("x"))
