"""`check` and `dump` on the data of a stopped, a killed and a running server (SPEC section 4)."""

import json
import struct

import pytest

from harness.ledger import STRATEGIES, Ledger
from harness.server import run_binary
from harness.state_file import LEASE, STAMP, StateFile


@pytest.fixture(name="filled")
def filled_fixture(start):
    server = start()
    with server.connect() as client:
        server.ledgers = [
            Ledger(f"with-{s}", s, starting=1000, step=7).define(client) for s in STRATEGIES
        ]
        for ledger in server.ledgers:
            ledger.draw(client, 300)
        client.command("HSET", "random", "type", 1, "length", 6)
        client.command("HSET", "gone", "type", 3)
        client.command("DEL", "gone")
    return server


def rows(server):
    dumped = server.tool("dump", "--json")
    assert (dumped.status, dumped.stderr) == (0, ""), dumped
    return {row["name"]: row for row in json.loads(dumped.stdout)["dispensers"]}


NAMES = {*(f"with-{strategy}" for strategy in STRATEGIES), "random"}


@pytest.mark.parametrize("state", ["running", "stopped", "killed"])
def test_both_read_the_data_of_a_server(filled, state):
    if state == "stopped":
        filled.stop()
    elif state == "killed":
        filled.kill9()
    before = (filled.data / "dispensers.state").read_bytes()
    checked = filled.tool("check")
    assert (checked.status, checked.stderr) == (0, ""), checked
    assert set(rows(filled)) == NAMES
    table = filled.tool("dump")
    assert table.status == 0
    assert {line.split()[0] for line in table.stdout.splitlines()} >= NAMES
    assert "gone" not in table.stdout
    if state != "running":
        assert (filled.data / "dispensers.state").read_bytes() == before, "reading changes nothing"
        filled.start()
    with filled.connect() as client:
        for ledger in filled.ledgers:
            if ledger.strategy == "memory" and state != "running":
                ledger.restart_memory()
            ledger.check_exact(client)


def test_dump_shows_what_recovery_would_resume_with(filled):
    filled.stop()
    for ledger in filled.ledgers:
        row = rows(filled)[ledger.name]
        expected = {"type": 3, "starting": 1000, "step": 7, "auto_disk": ledger.strategy}
        assert expected.items() <= row.items(), row
        if ledger.strategy != "memory":
            assert row["current"] == 1000 + 300 * 7, row
            assert (row["generated"], row["wasted"]) == (300, 0), row


def test_dump_in_json_is_exact_at_the_end_of_the_range_and_for_any_name(start):
    server = start()
    names = ['quote"back\\slash', "naïve", "x" * 128, "a:b/c{d}"]
    with server.connect() as client:
        for name in names:
            client.command("HSET", name, "type", 3, "starting", 2**63 - 1)
    server.stop()
    dumped = rows(server)
    assert set(dumped) == set(names)
    assert {row["starting"] for row in dumped.values()} == {2**63 - 1}


def test_check_says_what_recovery_would_do(filled):
    with filled.connect() as client:
        client.pipeline([("GET", "with-pre-base")] * 5000)
    filled.kill9()
    with_live_counters = filled.tool("check")
    for path in filled.run.iterdir():
        path.unlink()
    without = filled.tool("check")
    assert (with_live_counters.status, without.status) == (0, 0)
    assert with_live_counters.stdout != without.stdout


def test_check_says_that_a_copy_is_older(filled):
    filled.stop()
    backup = (filled.data / "dispensers.state").read_bytes()
    filled.start()
    assert "restored from a copy" not in filled.tool("check").stdout
    filled.kill9()
    of_the_run_before = (filled.data / "dispensers.state").read_bytes()
    filled.start()
    of_the_run = (filled.data / "dispensers.state").read_bytes()
    with filled.connect() as client:
        client.command("HSET", "later", "type", 3)
    filled.kill9()
    later_run = "not of a run whose live counters are there: it was restored from a copy"
    for copy, says in ((backup, later_run), (of_the_run_before, later_run), (of_the_run, "defined since are missing")):
        (filled.data / "dispensers.state").write_bytes(copy)
        assert says in filled.tool("check").stdout


def test_check_takes_nothing_from_growth_that_the_header_does_not_know_of(filled):
    """As a start does not: the file was copied while it grew, its first page before the rest."""
    page = (filled.data / "dispensers.state").read_bytes()[:4096]
    with filled.connect() as client:
        client.pipeline([("HSET", f"later-{at}", "type", 3) for at in range(1100)])
    filled.kill9()
    grown = (filled.data / "dispensers.state").read_bytes()
    (filled.data / "dispensers.state").write_bytes(page + grown[4096:])
    assert "defined since are missing" in filled.tool("check").stdout
    filled.start()
    assert "defined since are missing" in filled.log()


def test_the_live_counters_of_a_copy_are_not_believed(filled, new_server):
    """As a start does not: both have the id and the epoch of the file, but were counted in another run."""
    filled.stop()
    copy = new_server.adopt(filled.copy())
    for server in (filled, copy):
        server.start()
        with server.connect() as client:
            for ledger in filled.ledgers:
                client.pipeline([("GET", ledger.name)] * 20)
        server.kill9()
    (ours,), (theirs,) = filled.run.iterdir(), copy.run.iterdir()
    assert ours.name == theirs.name
    ours.write_bytes(theirs.read_bytes())
    seen = {ledger.name: rows(filled)[ledger.name] for ledger in filled.ledgers}
    assert not any(row["exact"] for row in seen.values()), seen
    assert "a copy of it has run" in filled.tool("check").stdout
    filled.start()
    assert "a copy of it has run" in filled.log()
    with filled.connect() as client:
        for name, row in seen.items():
            assert int(client.info(name)["current"]) == row["current"], name


def test_both_show_what_a_node_has_leased(filled):
    filled.stop()
    assert "cluster" not in filled.tool("check").stdout
    assert "cluster_generation" not in rows(filled)["with-elegant_close"]
    file = StateFile(filled)
    file.patch_headers(STAMP, struct.pack("<4Q", 0xBEEF, 3, 2, 1))
    slot = file.slot_of("with-elegant_close")
    file.patch_bounds(slot, LEASE, struct.pack("<5Q", 77, 500, 1000, 2000, 120))
    assert "cluster 000000000000beef" in filled.tool("check").stdout
    row = rows(filled)["with-elegant_close"]
    assert (row["cluster_generation"], row["lease_end"]) == (77, 500), row
    assert row["next_lease"] == [1000, 2000], row
    assert row["generated"] == 300 - 120, row
    assert "lease_end" not in rows(filled)["random"]


@pytest.mark.parametrize("tool", ["check", "dump"])
def test_a_folder_without_a_state_file_is_an_error(tmp_path, tool):
    ended = run_binary(tool, "--data", tmp_path)
    assert 64 <= ended.status <= 78, ended
    assert ended.stdout == "" and len(ended.lines) == 1
    assert str(tmp_path) in ended.stderr
    assert not list(tmp_path.iterdir()), "they create nothing"


def test_both_keep_reading_while_the_server_writes(filled):
    for turn in range(10):
        with filled.connect() as client, filled.connect() as reader:
            client.send(b"GET with-pre-base\r\nGET with-elegant_close\r\n" * 2000)
            reader.command("HSET", f"more-{turn}", "type", 3)
            checked = filled.tool("check")
            assert checked.status == 0, checked
            assert f"more-{turn}" in rows(filled)
            for _ in range(4000):
                client.read()
