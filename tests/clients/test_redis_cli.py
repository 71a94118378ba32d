"""redis-cli: with arguments, from a pipe, in RESP3, and its tools."""

import subprocess

import pytest
from scenarios import APP, APP_SECRET, SECRET

from harness.resp import encode
from harness.waiting import TIMEOUT_S


def shows(feature):
    return pytest.mark.shows("redis-cli", feature)


def cli(server, *arguments, data=None):
    """What redis-cli prints; formatted as on a terminal with --no-raw."""
    done = subprocess.run(
        ["redis-cli", "-p", str(server.port), *map(str, arguments)],
        input=data,
        stdin=None if data is not None else subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return (done.stdout + done.stderr).decode()


def define(server, name):
    with server.connect() as client:
        assert client.command("HSET", name, "type", 3) == 1


@shows("connect")
def test_commands_as_arguments(shared, name):
    assert cli(shared, "HSET", name, "type", 2, "length", 5, "starting", 42) == "3\n"
    assert cli(shared, "GET", name) == "00042\n"
    assert cli(shared, "--no-raw", "GET", name) == '"00043"\n'
    assert "generated:2\n" in cli(shared, "INFO", name).replace("\r", "")
    assert cli(shared, "EXISTS", name) == "1\n"
    assert cli(shared, "DEL", name) == "1\n"
    assert cli(shared, "--no-raw", "DEL", name) == "(integer) 0\n"
    assert cli(shared, "GET", name).strip() == "ERR dispenser not found"
    assert cli(shared, "PING") == "PONG\n"
    assert cli(shared, "ECHO", "two words") == "two words\n"


@shows("RESP3")
def test_resp3(shared, name):
    assert cli(shared, "-3", "HSET", name, "type", 3) == "1\n"
    assert cli(shared, "-3", "--no-raw", "GET", name) == '"0"\n'
    assert "generated:1" in cli(shared, "-3", "INFO", name)
    assert '1# "server" =>' in cli(shared, "-3", "--no-raw", "HELLO", 3)


@shows("-n")
def test_database_zero_only(shared):
    assert cli(shared, "-n", 0, "PING") == "PONG\n"
    assert "DB index is out of range" in cli(shared, "-n", 3, "PING")


@shows("-r")
def test_repeated(shared, name):
    cli(shared, "HSET", name, "type", 3)
    assert cli(shared, "-r", 5, "GET", name) == "0\n1\n2\n3\n4\n"


@shows("standard input")
def test_commands_from_a_pipe(shared, name):
    lines = f"HSET {name} type 3\nGET {name}\nGET {name}\n"
    assert cli(shared, data=lines.encode()).split() == ["1", "0", "1"]


@shows("--pipe")
def test_mass_insertion(shared, name):
    data = b"".join(encode("HSET", f"{name}-{number}", "type", 3) for number in range(1000))
    assert "errors: 0, replies: 1000" in cli(shared, "--pipe", data=data)
    with shared.connect() as client:
        assert client.command("EXISTS", *[f"{name}-{number}" for number in range(1000)]) == 1000


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (("COMMAND", "COUNT"), None),
        (("COMMAND", "INFO", "get"), "get"),
        (("COMMAND", "DOCS", "hset"), "summary"),
        (("CONFIG", "GET", "save"), "save"),
        (("CONFIG", "GET", "appendonly"), "appendonly"),
        (("CLIENT", "SETNAME", "me"), "OK"),
        (("CLIENT", "SETINFO", "LIB-NAME", "x"), "OK"),
        (("CLIENT", "ID"), None),
        (("HELLO", "2"), "standalone"),
        (("SELECT", "0"), "OK"),
        (("QUIT",), "OK"),
    ],
)
def test_what_clients_ask(shared, arguments, expected):
    output = cli(shared, *arguments)
    assert "ERR" not in output, output
    if expected is None:
        assert int(output) > 0
    else:
        assert expected in output.splitlines()


def test_every_command_of_the_table_is_described(shared):
    with shared.connect() as client:
        table = {row[0]: row for row in client.command("COMMAND")}
        assert {b"hset", b"get", b"info", b"del", b"ping"} <= set(table)
        assert client.command("COMMAND", "COUNT") == len(table)
        assert table[b"get"][1] == 2
        docs = client.command("COMMAND", "DOCS")
        assert set(docs[::2]) == set(table)
        assert client.command("COMMAND", "INFO", "get", "no-such") == [table[b"get"], None]


def first_lines(server, count, *arguments):
    """The first lines of a redis-cli that would go on for ever."""
    process = subprocess.Popen(
        ["redis-cli", "-p", str(server.port), *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        return [process.stdout.readline() for _ in range(count)]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@shows("--stat")
def test_stat(shared, name):
    cli(shared, "HSET", name, "type", 3)
    _, head, *rows = first_lines(shared, 4, "--stat", "-i", "0.01")
    assert head.split()[:3] == ["keys", "mem", "clients"]
    for row in rows:
        keys, memory, clients, blocked, requests = row.split()[:5]
        assert int(keys) >= 1 and float(memory[:-1]) > 0 and int(clients) >= 1
        assert int(blocked) == 0 and int(requests) > 0


@shows("--latency")
def test_latency(shared):
    smallest, largest, mean, samples = cli(shared, "--latency", "-i", "0.1").split()
    assert float(smallest) <= float(mean) <= float(largest) and int(samples) > 0


@shows("--latency-history")
def test_latency_history(shared):
    assert len(first_lines(shared, 2, "--latency-history", "-i", "0.05")) == 2


@shows("--scan")
def test_scan(shared, name):
    names = {f"{name}-{number}" for number in range(50)}
    for each in names:
        define(shared, each)
    assert set(cli(shared, "--scan", "--pattern", f"{name}-*").split()) == names


@pytest.mark.parametrize("option", [pytest.param(each, marks=shows(each)) for each in ("--bigkeys", "--memkeys")])
def test_big_keys(shared, name, option):
    define(shared, name)
    report = cli(shared, option)
    assert "Biggest   hash found" in report and "ERR" not in report
    # Looking draws nothing.
    assert cli(shared, "GET", name) == "0\n"


@shows("pipeline")
def test_many_lines_in_one_go(shared, name):
    lines = f"HSET {name} type 3\n" + f"GET {name}\n" * 200
    assert cli(shared, data=lines.encode()).split() == ["1", *map(str, range(200))]


@shows("transaction")
def test_transaction(shared, name):
    lines = f"HSET {name} type 3\nMULTI\nGET {name}\nGET {name}\nEXEC\n"
    assert cli(shared, data=lines.encode()).split() == ["1", "OK", "QUEUED", "QUEUED", "0", "1"]


@shows("AUTH")
def test_password(guarded):
    assert "NOAUTH" in cli(guarded, "PING")
    assert "WRONGPASS" in cli(guarded, "-a", "wrong", "--no-auth-warning", "PING")
    assert cli(guarded, "-a", SECRET, "--no-auth-warning", "PING") == "PONG\n"


@shows("ACL user")
def test_user(stage):
    place = stage("ACL user")
    user = f"redis://{APP}:{APP_SECRET}@127.0.0.1:{place.port}"
    assert cli(place.server, "--no-auth-warning", "-u", user, "GET", place.name) == "0\n"
    assert "NOPERM" in cli(place.server, "--no-auth-warning", "-u", user, "HSET", "a", "type", "3")


@shows("TLS")
def test_tls(stage):
    place = stage("TLS")
    tls = ("-p", place.port, "--tls", "--cacert", place.authority)
    assert cli(place.server, *tls, "HSET", place.name, "type", 3) == "1\n"
    assert cli(place.server, *tls, "GET", place.name) == "0\n"
