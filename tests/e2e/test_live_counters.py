"""Live counters that do not belong to the state file are not believed (SPEC 3, DESIGN)."""

import shutil

import pytest

from harness.ledger import DURABLE, Ledger

IN_USE = 75  # another server runs with a copy of the state file


def fill(server, count):
    """One dispenser of every durable strategy, `count` numbers drawn of each."""
    with server.connect() as client:
        ledgers = [Ledger(strategy, strategy).define(client) for strategy in DURABLE]
        for ledger in ledgers:
            ledger.draw(client, count)
    return ledgers


def check_budgets(server, ledgers):
    with server.connect() as client:
        for ledger in ledgers:
            ledger.check_budget(client)
            ledger.draw(client, 20)


def live_files(server):
    files = list(server.run.iterdir())
    assert files, "no live counters"
    return files


def test_live_counters_are_private(start):
    for path in live_files(start()):
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("renamed", [False, True], ids=["as they are", "under the right name"])
def test_live_counters_of_another_state_file_are_not_believed(start, renamed):
    ahead, behind = start(), start()
    many, few = fill(ahead, 4000), fill(behind, 10)
    ahead.kill9()
    behind.kill9()
    if renamed:
        (one,), (other,) = live_files(ahead), live_files(behind)
        content = one.read_bytes()
        one.write_bytes(other.read_bytes())
        other.write_bytes(content)
    else:
        ahead.run, behind.run = behind.run, ahead.run
    check_budgets(ahead.start(), many)
    check_budgets(behind.start(), few)


def _empty(path):
    path.write_bytes(b"")


def _garbage(path):
    path.write_bytes(b"\xa5" * path.stat().st_size)


def _zeros(path):
    path.write_bytes(bytes(path.stat().st_size))


def _half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _set_counters(path, value):
    """One line of 64 bytes for the header, then one a slot, which begins with the counter."""
    data = bytearray(path.read_bytes())
    for offset in range(64, len(data), 64):
        data[offset : offset + 8] = value.to_bytes(8, "little")
    path.write_bytes(data)


def _behind(path):
    _set_counters(path, 0)


@pytest.mark.parametrize("damage", [_empty, _garbage, _zeros, _half, _behind])
def test_damaged_live_counters_are_not_believed(start, damage):
    server = start()
    ledgers = fill(server, 300)
    server.kill9()
    for path in live_files(server):
        damage(path)
    check_budgets(server.start(), ledgers)


def test_live_counters_past_the_bound_resume_at_the_bound(start):
    """A process may have counted further than its bound, but no such number ever left it."""
    server = start()
    ledgers = fill(server, 300)
    server.kill9()
    for path in live_files(server):
        _set_counters(path, 2**63)
    server.start()
    with server.connect() as client:
        for ledger in ledgers:
            assert int(client.info(ledger.name)["current"]) <= 2 * 300, "twice what was issued"
            ledger.draw(client, 20)


@pytest.mark.parametrize("renamed", [False, True], ids=["as they are", "under the right name"])
def test_live_counters_of_an_earlier_run_are_not_believed(start, renamed):
    server = start()
    ledgers = fill(server, 100)
    server.kill9()
    (old,) = live_files(server)
    old_content = old.read_bytes()
    server.start()
    with server.connect() as client:
        for ledger in ledgers:
            ledger.draw(client, 3000)
    server.kill9()
    (new,) = live_files(server)
    new.unlink()
    (new if renamed else old).write_bytes(old_content)
    (new if renamed else old).chmod(0o600)
    check_budgets(server.start(), ledgers)


def test_a_missing_run_file_is_normal_and_says_no_error(start):
    server = start("--log-level", "error")
    fill(server, 10)
    server.lose_power()
    assert server.log() == ""


def test_a_restored_older_copy_is_said_at_start(start, tmp_path):
    server = start()
    fill(server, 10)
    server.stop()
    shutil.copytree(server.data, tmp_path / "backup")
    server.start()
    server.kill9()
    shutil.copytree(tmp_path / "backup", server.data, dirs_exist_ok=True)
    server.start()
    assert "it was restored from a copy" in server.log(), server.log()


def beside(new_server, server):
    """A copy of the data of a server, as a snapshot of the file system is one, with the same run folder."""
    copy = new_server.adopt(server.copy())
    copy.run.rmdir()
    copy.run = server.run
    return copy


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_copy_beside_the_running_original_is_refused(start, new_server):
    server = start()
    ledgers = fill(server, 300)
    copy = beside(new_server, server)
    before, counters = contents(copy.data), live_files(server)
    for _ in range(2):
        ended = copy.spawn().wait()
        assert ended.status == IN_USE and "copy of this state file" in ended.stderr, ended
        assert contents(copy.data) == before
        assert live_files(server) == counters
    with server.connect() as client:
        for ledger in ledgers:
            ledger.draw(client, 50)
    # Nothing was taken for a newer run, or an older one: it goes on exactly where it was.
    server.crash()
    assert "restored from a copy" not in server.log(), server.log()
    with server.connect() as client:
        for ledger in ledgers:
            ledger.check_exact(client)
            ledger.draw(client, 50)


def test_a_copy_of_a_killed_server_starts(start, new_server):
    server = start()
    ledgers = fill(server, 300)
    server.kill9()
    copy = beside(new_server, server).start()
    with copy.connect() as client:
        for ledger in ledgers:
            ledger.check_exact(client)
    ended = server.spawn().wait()
    assert ended.status == IN_USE, ended
