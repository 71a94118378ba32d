"""HSET: the definition of a dispenser, and every way to get it wrong (SPEC section 2)."""

import pytest

from harness.resp import Error

STRATEGIES = ("memory", "pre-base", "pre-checkpoint", "pre_close", "elegant_close")
SECTIONS = (
    "all default everything server clients memory persistence stats replication cpu modules "
    "commandstats errorstats latencystats cluster keyspace"
).split()


def assert_refused(client, name, fields, *mentions):
    """HSET is an error that mentions all of `mentions`, and defines nothing."""
    reply = client.command("HSET", name, *fields)
    assert isinstance(reply, Error), reply
    assert reply.startswith(b"ERR "), reply
    text = reply.decode().lower()
    missing = [mention for mention in mentions if mention.lower() not in text]
    assert not missing, f"{reply!r} does not mention {missing}"
    assert client.command("GET", name) == Error(b"ERR dispenser not found")


@pytest.mark.parametrize(
    "fields, first",
    [
        (("type", 3), b"0"),
        (("type", 3, "starting", 100), b"100"),
        (("type", 3, "step", 5), b"0"),
        (("type", 2, "length", 4), b"0000"),
        (("type", 2, "length", 18, "starting", 7), b"%018d" % 7),
        (("starting", 42, "length", 3, "step", 2, "type", 2), b"042"),
        (("auto_disk", "pre-base", "step", 3, "starting", 9, "type", 3), b"9"),
        (("TYPE", 3, "Starting", 12), b"12"),
        (("type", 3, "starting", 2**63 - 1), b"%d" % (2**63 - 1)),
        (("type", 3, "step", 2**63 - 1), b"0"),
        (("type", 2, "length", 1, "starting", 9), b"9"),
        (("type", 2, "length", 18, "starting", 10**18 - 1), b"9" * 18),
    ],
)
def test_a_definition_answers_its_number_of_pairs_and_dispenses(client, name, fields, first):
    assert client.command("HSET", name, *fields) == len(fields) // 2
    assert client.command("GET", name) == first


@pytest.mark.parametrize("length", range(1, 19))
def test_type_1_takes_every_length(client, name, length):
    assert client.command("HSET", name, "type", 1, "length", length) == 2
    drawn = client.command("GET", name)
    assert len(drawn) == length and drawn.isdigit() and drawn[:1] != b"0"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_is_accepted_for_every_type(client, name, strategy):
    for kind, extra in ((1, ("length", 5)), (2, ("length", 5)), (3, ())):
        one = f"{name}-{kind}"
        pairs = ("type", kind, *extra, "auto_disk", strategy)
        assert client.command("HSET", one, *pairs) == len(pairs) // 2
        assert client.info(one)["auto_disk"] == strategy


@pytest.mark.parametrize(
    "value, strategy",
    [("pre_base", "pre-base"), ("elegant-close", "elegant_close"), ("Pre-Close", "pre_close")],
)
def test_dash_underscore_and_case_of_a_strategy_do_not_matter(client, name, value, strategy):
    assert client.command("HSET", name, "type", 3, "auto_disk", value) == 2
    assert client.info(name)["auto_disk"] == strategy


def test_the_default_strategy_is_elegant_close(client, name):
    client.command("HSET", name, "type", 3)
    assert client.info(name)["auto_disk"] == "elegant_close"


@pytest.mark.parametrize("value", ["", "0", "4", "-1", "one", "1.0", "33", "1 "])
def test_a_bad_type_is_refused(client, name, value):
    assert_refused(client, name, ("type", value), "type", "1", "2", "3")


@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize("value", ["", "0", "19", "-1", "five", "1.5", "99999999999999999999"])
def test_a_bad_length_is_refused(client, name, kind, value):
    assert_refused(client, name, ("type", kind, "length", value), "length", "1", "18")


@pytest.mark.parametrize("kind", [1, 2])
def test_a_missing_length_is_refused(client, name, kind):
    assert_refused(client, name, ("type", kind), "length")


BAD_COUNTS = ["", "-1", "abc", "1.5", "1e3", "0x10", " 5", "5 ", "9223372036854775808", "9" * 40]


@pytest.mark.parametrize("value", BAD_COUNTS)
def test_a_bad_starting_is_refused(client, name, value):
    assert_refused(client, name, ("type", 3, "starting", value), "starting", "0")


@pytest.mark.parametrize("value", ["0", *BAD_COUNTS])
def test_a_bad_step_is_refused(client, name, value):
    assert_refused(client, name, ("type", 3, "step", value), "step", "1")


@pytest.mark.parametrize("value", ["", "disk", "elegant", "pre_", "memory "])
def test_a_bad_strategy_is_refused_with_all_five_names(client, name, value):
    assert_refused(client, name, ("type", 3, "auto_disk", value), "auto_disk", *STRATEGIES)


@pytest.mark.parametrize("length, starting", [(1, 10), (3, 1000), (18, 10**18)])
def test_a_starting_longer_than_the_length_is_refused(client, name, length, starting):
    fields = ("type", 2, "length", length, "starting", starting)
    assert_refused(client, name, fields, "starting")


@pytest.mark.parametrize(
    "fields, field",
    [
        (("type", 1, "length", 5, "starting", 1), "starting"),
        (("type", 1, "length", 5, "step", 1), "step"),
        (("type", 3, "length", 5), "length"),
        (("length", 5, "type", 3), "length"),
    ],
)
def test_a_field_that_does_not_apply_to_the_type_is_refused(client, name, fields, field):
    assert_refused(client, name, fields, field, "type")


@pytest.mark.parametrize(
    "fields, field",
    [
        (("type", 3, "type", 3), "type"),
        (("type", 3, "step", 1, "STEP", 1), "step"),
        (("type", 2, "length", 5, "length", 5), "length"),
        (("type", 3, "starting", 1, "starting", 1), "starting"),
        (("type", 3, "auto_disk", "memory", "auto_disk", "memory"), "auto_disk"),
    ],
)
def test_a_field_given_twice_is_refused(client, name, fields, field):
    assert_refused(client, name, fields, field)


def test_an_unknown_field_is_refused_with_the_known_ones(client, name):
    known = ("type", "length", "starting", "step", "auto_disk")
    assert_refused(client, name, ("type", 3, "colour", "red"), "colour", *known)


@pytest.mark.parametrize(
    "fields, mention",
    [(("type", 3, "step"), "step"), (("type", 3, "starting", 1, "auto_disk"), "auto_disk")],
)
def test_a_field_without_a_value_is_refused(client, name, fields, mention):
    assert_refused(client, name, fields, mention)


def test_a_definition_without_type_is_refused(client, name):
    assert_refused(client, name, ("starting", 5), "type")
    assert_refused(client, name, ("length", 5, "step", 2), "type")


@pytest.mark.parametrize("arguments", [(), ("x",), ("x", "type")])
def test_too_few_arguments_are_refused(client, arguments):
    reply = client.command("HSET", *arguments)
    assert isinstance(reply, Error) and reply.startswith(b"ERR "), reply


def test_no_argument_at_all_is_redis_arity_error(client):
    expected = Error(b"ERR wrong number of arguments for 'hset' command")
    assert client.command("HSET") == expected


@pytest.mark.parametrize(
    "good", ["a", "x" * 128, "naïve", b"\xff\xfe", "a:b/c{d}", "0", "*", "é" * 64]
)
def test_good_names_are_accepted(client, good):
    assert client.command("HSET", good, "type", 3) == 1
    assert client.command("GET", good) == b"0"
    assert client.command("DEL", good) == 1


@pytest.mark.parametrize(
    "bad", ["", "x" * 129, "a b", " ", "a\n", "\r", "a\tb", b"\x00", b"a\x1f", b"\x7f", "é" * 65]
)
def test_bad_names_are_refused(client, bad):
    assert_refused(client, bad, ("type", 3), "name")


@pytest.mark.parametrize("section", SECTIONS)
def test_names_of_info_sections_are_refused_in_any_case(client, section):
    for name in (section, section.upper(), section.capitalize()):
        assert_refused(client, name, ("type", 3), name)


def test_names_are_case_sensitive(client, name):
    client.command("HSET", name + "x", "type", 3, "starting", 1)
    client.command("HSET", name + "X", "type", 3, "starting", 2)
    assert client.command("GET", name + "x") == b"1"
    assert client.command("GET", name + "X") == b"2"


def test_the_same_definition_again_is_accepted_and_resets_nothing(client, name):
    client.command("HSET", name, "type", 2, "length", 6, "starting", 5)
    assert client.command("GET", name) == b"000005"
    assert client.command("HSET", name, "starting", 5, "type", 2, "length", 6) == 3
    spelled_out = ("type", 2, "length", 6, "starting", 5, "step", 1, "auto_disk", "elegant_close")
    assert client.command("HSET", name, *spelled_out) == 5
    assert client.command("GET", name) == b"000006"


@pytest.mark.parametrize(
    "fields",
    [
        ("type", 3, "starting", 5),
        ("type", 2, "length", 7, "starting", 5),
        ("type", 2, "length", 6, "starting", 6),
        ("type", 2, "length", 6, "starting", 5, "step", 2),
        ("type", 1, "length", 6),
    ],
)
def test_another_definition_is_refused_and_changes_nothing(client, name, fields):
    client.command("HSET", name, "type", 2, "length", 6, "starting", 5)
    client.command("GET", name)
    before = client.info(name)
    reply = client.command("HSET", name, *fields, "auto_disk", "memory")
    assert isinstance(reply, Error) and b"DEL" in reply, reply
    assert client.info(name) == before
    assert client.command("GET", name) == b"000006"


@pytest.mark.parametrize(
    "fields", [("auto_disk", "disk"), ("step", 0), ("colour", "red"), ("step", 1, "step")]
)
def test_a_bad_field_on_a_name_that_exists_changes_nothing(client, name, fields):
    client.command("HSET", name, "type", 3)
    before = client.info(name)
    reply = client.command("HSET", name, *fields)
    assert isinstance(reply, Error) and fields[0].encode() in reply, reply
    assert client.info(name) == before


def test_auto_disk_alone_is_refused_for_an_unknown_name(client, name):
    assert_refused(client, name, ("auto_disk", "memory"))
