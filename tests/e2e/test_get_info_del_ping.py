"""GET, INFO, DEL and PING of SPEC section 2."""

import re
from collections import Counter

import pytest

from harness.resp import Error, Status, Verbatim

NOT_FOUND = Error(b"ERR dispenser not found")
EXHAUSTED = Error(b"ERR number range exhausted")
INFO_KEYS = "name type length starting step current auto_disk generated wasted waste_rate".split()


@pytest.mark.parametrize(
    "fields, expected",
    [
        ((3, "starting", 100), [b"100", b"101", b"102", b"103"]),
        ((3, "starting", 7, "step", 10), [b"7", b"17", b"27"]),
        ((2, "length", 5, "step", 3), [b"00000", b"00003", b"00006"]),
        ((2, "length", 2, "starting", 97), [b"97", b"98", b"99", EXHAUSTED, EXHAUSTED]),
        ((2, "length", 1, "starting", 9), [b"9", EXHAUSTED]),
        ((2, "length", 2, "starting", 95, "step", 3), [b"95", b"98", EXHAUSTED]),
        ((2, "length", 3, "starting", 999, "step", 2**63 - 1), [b"999", EXHAUSTED]),
        ((2, "length", 18, "starting", 10**18 - 2), [b"9" * 17 + b"8", b"9" * 18, EXHAUSTED]),
        ((3, "starting", 2**63 - 2), [b"%d" % (2**63 - 2), b"%d" % (2**63 - 1), EXHAUSTED]),
        ((3, "starting", 2**63 - 2, "step", 2), [b"%d" % (2**63 - 2), EXHAUSTED]),
        ((3, "step", 2**63 - 1), [b"0", b"%d" % (2**63 - 1), EXHAUSTED]),
        ((3, "starting", 1, "step", 2**63 - 1), [b"1", EXHAUSTED]),
        ((3, "starting", 2**63 - 1, "step", 2**63 - 1), [b"%d" % (2**63 - 1), EXHAUSTED]),
    ],
)
def test_numbers_follow_starting_and_step_up_to_the_end(client, name, fields, expected):
    client.command("HSET", name, "type", *fields)
    assert [client.command("GET", name) for _ in expected] == expected


def test_an_exhausted_dispenser_counts_only_what_it_issued(client, name):
    client.command("HSET", name, "type", 2, "length", 1, "starting", 8)
    replies = client.pipeline([("GET", name)] * 50)
    assert replies == [b"8", b"9"] + [EXHAUSTED] * 48
    info = client.info(name)
    assert (info["generated"], info["wasted"]) == ("2", "0")


def test_random_digits_are_uniform(client, name):
    client.command("HSET", name, "type", 1, "length", 1)
    draws = 45_000
    counts = Counter(client.pipeline([("GET", name)] * draws))
    assert set(counts) == {b"%d" % digit for digit in range(1, 10)}
    expected = draws / 9
    chi_squared = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi_squared < 60, f"8 degrees of freedom: over 60 has probability 5e-10; {counts}"


@pytest.mark.parametrize("length", [2, 9, 18])
def test_random_numbers_keep_their_length_and_spread(client, name, length):
    client.command("HSET", name, "type", 1, "length", length)
    drawn = [int(reply) for reply in client.pipeline([("GET", name)] * 5000)]
    low, high = 10 ** (length - 1), 10**length - 1
    assert all(low <= number <= high for number in drawn)
    # Each tenth of the range is missed by all 5000 with probability 0.9^5000.
    assert {(number - low) * 10 // (high + 1 - low) for number in drawn} == set(range(10))
    if length == 18:
        assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize("unknown", ["no-such", "", "x" * 1000, "a b", "server"])
def test_get_of_an_unknown_name_is_not_found(client, unknown):
    assert client.command("GET", unknown) == NOT_FOUND


@pytest.mark.parametrize("arguments", [(), ("a", "b")])
def test_get_has_one_argument(client, arguments):
    expected = Error(b"ERR wrong number of arguments for 'get' command")
    assert client.command("GET", *arguments) == expected


def test_command_names_are_case_insensitive(client, name):
    assert client.command("hSeT", name, "tYpE", 3) == 1
    assert client.command("get", name) == b"0"
    assert b"generated:1" in client.command("InFo", name)
    assert client.command("dEl", name) == 1


def test_info_has_its_lines_in_order(client, name):
    client.command("HSET", name, "type", 2, "length", 8, "starting", 1000, "step", 5)
    client.pipeline([("GET", name)] * 3)
    info = client.info(name)
    assert list(info)[:10] == INFO_KEYS
    assert list(info.values())[:10] == [
        name, "2", "8", "1000", "5", "1015", "elegant_close", "3", "0", "0.00%",
    ]  # fmt: skip


@pytest.mark.parametrize("fields", [(1, "length", 4), (2, "length", 4), (3,)])
def test_info_has_the_same_first_lines_for_every_type(client, name, fields):
    client.command("HSET", name, "type", *fields)
    info = client.info(name)
    assert list(info)[:10] == INFO_KEYS
    assert (info["name"], info["type"]) == (name, str(fields[0]))
    assert (info["generated"], info["wasted"], info["waste_rate"]) == ("0", "0", "0.00%")
    client.pipeline([("GET", name)] * 7)
    assert client.info(name)["generated"] == "7"


def test_info_is_verbatim_text_in_resp3_and_a_bulk_string_in_resp2(shared, client, name):
    client.command("HSET", name, "type", 3)
    assert type(client.command("INFO", name)) is bytes
    assert type(client.command("INFO")) is bytes
    with shared.connect() as modern:
        assert modern.command("HELLO", 3)[b"proto"] == 3
        for arguments in ((name,), (), ("server",)):
            reply = modern.command("INFO", *arguments)
            assert isinstance(reply, Verbatim) and reply.startswith(b"txt:")
        assert modern.command("GET", name) == b"0"


@pytest.mark.parametrize(
    "arguments", [(), ("all",), ("ALL",), ("everything",), ("default",), ("server",), ("Server",)]
)
def test_info_answers_as_redis_does_for_sections(client, arguments):
    text = client.command("INFO", *arguments).decode()
    assert text.startswith("# Server\r\n")
    assert re.search(r"^redis_version:\d+\.\d+\.\d+\r$", text, re.M)
    assert re.search(r"^uptime_in_seconds:\d+\r$", text, re.M)


def test_info_has_what_clients_look_for(client):
    text = client.command("INFO").decode()
    wanted = (
        "connected_clients blocked_clients used_memory total_commands_processed "
        "total_connections_received role"
    )
    for key in wanted.split():
        assert re.search(rf"^{key}:\S+\r$", text, re.M), key
    assert "role:master" in client.command("INFO", "replication").decode()


@pytest.mark.parametrize(
    "section", ["modules", "keyspace", "cluster", "latencystats", "no-such-section"]
)
def test_info_is_never_nil(client, section):
    assert client.command("INFO", section) is not None


def test_del_counts_those_that_existed(client, name):
    names = [f"{name}-{index}" for index in range(5)]
    for one in names:
        client.command("HSET", one, "type", 3)
    assert client.command("DEL", names[0]) == 1
    assert client.command("DEL", names[0]) == 0
    assert client.command("DEL", "no-such", names[0], names[1], names[1], names[2]) == 2
    assert client.command("EXISTS", *names, names[3]) == 3
    assert client.command("GET", names[1]) == NOT_FOUND
    assert client.command("GET", names[3]) == b"0"


def test_a_name_deleted_and_defined_again_starts_afresh(client, name):
    client.command("HSET", name, "type", 3, "starting", 50)
    client.pipeline([("GET", name)] * 10)
    assert client.command("DEL", name) == 1
    assert client.command("HSET", name, "type", 2, "length", 4) == 2
    assert client.command("GET", name) == b"0000"
    assert client.info(name)["generated"] == "1"


def test_a_pipeline_of_definitions_draws_and_deletions_runs_in_order(client, name):
    one_life = [("HSET", name, "type", 3), ("GET", name), ("GET", name), ("DEL", name)]
    replies = client.pipeline([*one_life * 20, ("GET", name)])
    assert replies == [1, b"0", b"1", 1] * 20 + [NOT_FOUND]


def test_del_needs_a_name(client):
    assert client.command("DEL") == Error(b"ERR wrong number of arguments for 'del' command")


def test_ping(client):
    assert client.command("PING") == Status(b"PONG")
    assert type(client.command("PING")) is Status
    for message in (b"", b"hello", b"\x00\r\n\xff", b"x" * 100_000):
        assert client.command("PING", message) == message
    assert client.command("PING", 1, 2) == Error(
        b"ERR wrong number of arguments for 'ping' command"
    )
