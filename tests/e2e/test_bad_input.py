"""Malformed requests: a clear error, then the end; others do not notice (SPEC section 5)."""

import pytest

from harness import places
from harness.resp import Error, Status, encode

OVERLONG = b"1" * 70_000


def protocol_error(text):
    return b"-ERR Protocol error: " + text + b"\r\n"


@pytest.mark.parametrize(
    "data, text",
    [
        (b"x" * 70_000, b"too big inline request"),
        (b'ECHO "open\r\n', b"unbalanced quotes in request"),
        (b"ECHO 'open\r\n", b"unbalanced quotes in request"),
        (b'ECHO "a"b\r\n', b"unbalanced quotes in request"),
        (b"*" + OVERLONG, b"too big mbulk count string"),
        (b"*abc\r\n", b"invalid multibulk length"),
        (b"*\r\n", b"invalid multibulk length"),
        (b"*1x\r\n", b"invalid multibulk length"),
        (b"*2000000\r\n", b"invalid multibulk length"),
        (b"*99999999999999999999\r\n", b"invalid multibulk length"),
        (b"*1\r\n$" + OVERLONG, b"too big bulk count string"),
        (b"*1\r\n$abc\r\n", b"invalid bulk length"),
        (b"*1\r\n$\r\n", b"invalid bulk length"),
        (b"*1\r\n$-1\r\n", b"invalid bulk length"),
        (b"*1\r\n$2000000\r\n", b"invalid bulk length"),
        (b"*1\r\n$99999999999999999999\r\n", b"invalid bulk length"),
        (b"*1\r\nPING\r\n", b"expected '$', got 'P'"),
        (b"*2\r\n$3\r\nGET\r\n:5\r\n", b"expected '$', got ':'"),
    ],
)
def test_a_protocol_error_is_named_and_closes_the_connection(shared, data, text):
    with shared.connect() as client, shared.connect() as other:
        client.send(encode("ECHO", "before") + data)
        assert client.read() == b"before"
        assert client.read_to_end() == protocol_error(text)
        assert other.command("PING") == Status(b"PONG")


def test_what_follows_a_protocol_error_is_not_run(shared, client, name):
    client.command("HSET", name, "type", 3)
    with shared.connect() as broken:
        broken.send(encode("GET", name) + b"*x\r\n" + encode("GET", name))
        assert broken.read() == b"0"
        assert broken.read_to_end() == protocol_error(b"invalid multibulk length")
    assert client.command("GET", name) == b"1"


@pytest.mark.parametrize(
    "line", [b"POST / HTTP/1.1\r\n", b"post x y\r\n", b"Host: a\r\n", b"host: b\r\n"]
)
def test_a_cross_protocol_request_closes_at_once(shared, client, name, line):
    client.command("HSET", name, "type", 3)
    with shared.connect() as browser:
        browser.send(line + b"GET %b\r\n" % name.encode())
        assert browser.is_closed()
    assert client.command("GET", name) == b"0"


def test_a_request_over_one_mebibyte_in_all_is_refused(shared, client):
    with shared.connect() as greedy:
        part = b"x" * 700_000
        sender = (
            greedy.pipeline
        )  # Sends from a thread: the server may answer before it has read all.
        (reply,) = sender([("ECHO", part, part)])
        assert isinstance(reply, Error) and reply.startswith(b"ERR "), reply
    assert client.command("PING") == Status(b"PONG")


def test_announced_lengths_reserve_no_memory(shared, client):
    client.command("PING")
    before = shared.memory_kib()
    greedy = [shared.connect() for _ in range(200)]
    try:
        for connection in greedy:
            connection.send(b"*1000000\r\n$1000000\r\nx")
        assert client.command("PING") == Status(b"PONG")
        growth = shared.memory_kib() - before
        assert growth < 20_000 * places.memory_factor(), f"{growth} KiB"
    finally:
        for connection in greedy:
            connection.close()


@pytest.mark.parametrize(
    "request_arguments, text",
    [
        (("FOO", "a", "b"), b"ERR unknown command 'FOO', with args beginning with: 'a' 'b' "),
        (("foo",), b"ERR unknown command 'foo', with args beginning with: "),
        (("",), b"ERR unknown command '', with args beginning with: "),
        (("F\r\nO", "a\nb"), b"ERR unknown command 'F  O', with args beginning with: 'a b' "),
        (("x" * 200,), b"ERR unknown command '" + b"x" * 128 + b"', with args beginning with: "),
        (("CLIENT", "FOO"), b"ERR unknown subcommand 'FOO'. Try CLIENT HELP."),
        (("CLIENT",), b"ERR wrong number of arguments for 'client' command"),
        (("CLIENT", "SETNAME"), b"ERR wrong number of arguments for 'client|setname' command"),
        (("ECHO",), b"ERR wrong number of arguments for 'echo' command"),
        (("SELECT", 1), b"ERR DB index is out of range"),
        (("HELLO", 4), b"NOPROTO unsupported protocol version"),
        (("HELLO", 3, "x"), b"ERR Syntax error in HELLO option 'x'"),
    ],
)
def test_errors_have_the_texts_of_redis_and_keep_the_connection(client, request_arguments, text):
    assert client.command(*request_arguments) == Error(text)
    assert client.command("PING") == Status(b"PONG")


def test_an_unknown_command_with_huge_arguments_gets_a_short_error(client):
    reply = client.command("FOO", *["y" * 1000] * 500)
    assert isinstance(reply, Error) and len(reply) < 600


def test_random_bytes_never_hurt_others(shared, client, name, chance):
    client.command("HSET", name, "type", 3)
    alphabet = [b"*", b"$", b"\r\n", b"1", b"3", b"-1", b"GET", b" ", b"x", b"\x00", b'"', b"'"]
    for number in range(200):
        with shared.connect() as noisy:
            noise = b"".join(chance.choice(alphabet) for _ in range(chance.randrange(60)))
            noisy.send(noise + chance.randbytes(chance.randrange(40)))
            noisy.reset()
        assert client.command("GET", name) == b"%d" % number
