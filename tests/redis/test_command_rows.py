"""COMMAND: for every command that redis-server and this server both have, the same arity, flags, key positions,
key specifications, ACL categories and subcommands. DIFFERENCES are the intended ones, each with its reason."""

import subprocess

import pytest
from redis.connection import Connection
from test_same_words import SERVER, free_port, start

COLUMNS = {1: "arity", 2: "flags", 3: "first key", 4: "last key", 5: "step", 6: "categories", 8: "key specs"}
DRAWS = "draws a number, so it writes"
# (command, column): why it differs. The seventh column, tips for proxies of clusters, is empty here.
DIFFERENCES = {
    ("get", "flags"): DRAWS,
    ("get", "categories"): DRAWS,
    ("get", "key specs"): DRAWS,
    ("mget", "flags"): DRAWS,
    ("mget", "categories"): DRAWS,
    ("mget", "key specs"): DRAWS,
    ("hset", "arity"): "a field without a value gets an error that names it, so three words come to the handler",
}
NEWER_THAN_7_0 = {"client|no-touch", "client|setinfo"}


def as_set(value):
    return sorted(value) if isinstance(value, list) else value


def rows_of(port):
    """Every row and subcommand's row, by name."""
    connection = Connection(port=port, decode_responses=True)
    connection.connect()
    connection.send_command("COMMAND")
    found = {}
    pending = connection.read_response()
    while pending:
        row = pending.pop()
        found[row[0]] = row
        pending += row[9]
    connection.disconnect()
    return found


@pytest.fixture(scope="module", name="rows")
def rows_fixture(tmp_path_factory):
    """(redis-server's, ours)"""
    ports = free_port(), free_port()
    redis_dir, our_dir = tmp_path_factory.mktemp("redis"), tmp_path_factory.mktemp("ours")
    processes = [
        start(["redis-server", "--port", str(ports[0]), "--save", "", "--dir", str(redis_dir)], ports[0]),
        start([SERVER, "--addr", f"127.0.0.1:{ports[1]}", "--data", str(our_dir), "--run", "/dev/shm"], ports[1]),
    ]
    yield tuple(map(rows_of, ports))
    for process in processes:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def test_rows_are_those_of_redis(rows):
    theirs, ours = rows
    both = theirs.keys() & ours.keys()
    assert len(both) > 80
    different = {
        (name, title): (theirs[name][column], ours[name][column])
        for name in both
        for column, title in COLUMNS.items()
        if as_set(theirs[name][column]) != as_set(ours[name][column])
    }
    assert different.keys() == DIFFERENCES.keys(), different


def test_subcommands_are_those_of_redis(rows):
    theirs, ours = rows
    missing = {name for name in theirs.keys() - ours.keys() if "|" in name and name.split("|")[0] in ours}
    # Of Redis's cluster only what clients ask to find out that this is none.
    missing = {name for name in missing if not name.startswith("cluster|")}
    assert not missing


def test_what_redis_lacks_is_newer(rows):
    theirs, ours = rows
    assert ours.keys() - theirs.keys() == NEWER_THAN_7_0
