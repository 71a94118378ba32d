"""Requests in every form and in every cutting: arrays, inline, pipelines, byte by byte."""

import pytest

from harness.resp import Error, Status, encode


def let_it_read(other):
    """A round trip on another connection: the loop has seen what was sent before."""
    assert other.command("PING") == Status(b"PONG")


def requests_and_replies(name, first):
    """Requests of every form, with their replies if `first` is the next number."""
    data = (
        encode("HSET", name, "type", 2, "length", 6)
        + encode("GET", name)
        + b"\r\n"
        + b'ping "a \\x41\\n"\r\n'
        + b"*0\r\n"
        + encode("ECHO", b"\r\n$3\r\n\x00\xff")
        + b"GET %b\n" % name.encode()
        + encode("GET")
    )
    replies = [
        2,
        b"%06d" % first,
        b"a A\n",
        b"\r\n$3\r\n\x00\xff",
        b"%06d" % (first + 1),
        Error(b"ERR wrong number of arguments for 'get' command"),
    ]
    return data, replies


def test_requests_cut_in_two_at_every_byte(shared, client, name):
    length = len(requests_and_replies(name, 0)[0])
    with shared.connect() as other:
        for cut in range(length + 1):
            data, replies = requests_and_replies(name, 2 * cut)
            client.send(data[:cut])
            let_it_read(other)
            client.send(data[cut:])
            assert [client.read() for _ in replies] == replies, f"cut at {cut}"


def test_requests_sent_one_byte_at_a_time(shared, client, name):
    data, replies = requests_and_replies(name, 0)
    with shared.connect() as other:
        for index in range(len(data)):
            client.send(data[index : index + 1])
            let_it_read(other)
        assert [client.read() for _ in replies] == replies


def test_a_long_pipeline_cut_at_random(client, name, chance):
    rounds = [requests_and_replies(name, 2 * index) for index in range(300)]
    data = b"".join(part for part, _ in rounds)
    while data:
        size = chance.choice((1, 3, 17, 200, 1000))
        client.send(data[:size])
        data = data[size:]
    for _, replies in rounds:
        assert [client.read() for _ in replies] == replies


@pytest.mark.parametrize("depth", [1, 2, 100, 10_000])
@pytest.mark.parametrize("strategy", ["memory", "pre-base", "pre_close", "elegant_close"])
def test_pipelines_of_any_depth_answer_in_order(client, name, depth, strategy):
    client.command("HSET", name, "type", 3, "auto_disk", strategy)
    replies = client.pipeline([("GET", name)] * depth)
    assert replies == [b"%d" % number for number in range(depth)]


def test_a_deep_inline_pipeline_answers_in_order(client, name):
    client.command("HSET", name, "type", 3)
    client.send(b"get %b\r\n" % name.encode() * 10_000)
    assert [client.read() for _ in range(10_000)] == [b"%d" % number for number in range(10_000)]


def test_held_and_immediate_replies_keep_the_order_of_requests(client, name):
    client.command("HSET", name, "type", 3, "auto_disk", "elegant_close")
    mixed = [("GET", name), ("PING",), ("ECHO", "x"), ("GET", "no-such")]
    replies = client.pipeline(mixed * 2000)
    not_found = Error(b"ERR dispenser not found")
    for index in range(2000):
        assert replies[4 * index : 4 * index + 4] == [b"%d" % index, b"PONG", b"x", not_found]


@pytest.mark.parametrize(
    "line, reply",
    [
        (b"PING", b"PONG"),
        (b"  ping  ", b"PONG"),
        (b"PING\tx", b"x"),
        (b'ECHO "two words"', b"two words"),
        (b"ECHO 'it\\'s'", b"it's"),
        (b'ECHO "\\x00\\xff\\r\\n\\t\\""', b'\x00\xff\r\n\t"'),
        (b'ECHO ""', b""),
        (b"ECHO a\\nb", b"a\\nb"),
    ],
)
def test_inline_requests_are_split_as_redis_splits_them(client, line, reply):
    assert client.inline(line) == reply


@pytest.mark.parametrize("ignored", [b"\r\n", b"\n", b"*0\r\n", b"*-1\r\n", b"   \r\n"])
def test_empty_requests_are_ignored(client, ignored):
    client.send(ignored * 3 + encode("ECHO", "after"))
    assert client.read() == b"after"


def test_large_arguments_come_back_whole(client):
    for size in (16_383, 16_384, 65_536, 500_000):
        message = bytes(range(256)) * (size // 256 + 1)
        assert client.command("ECHO", message[:size]) == message[:size]


def test_many_arguments_are_accepted(client, name):
    client.command("HSET", name, "type", 3)
    assert client.command("EXISTS", *[name] * 10_000) == 10_000
