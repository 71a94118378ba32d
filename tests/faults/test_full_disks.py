"""Small file systems filled up to the last block: a clear error where room is needed, nothing lost,
and never SIGBUS (SPEC section 5)."""

import errno
import os

import pytest

from harness.ledger import DURABLE, Ledger
from harness.resp import Error
from harness.server import DidNotStart
from harness.waiting import wait_for
from rig.command import run
from rig.file_system import KINDS
from rig.witness import Witness

IO_EXIT = 74
CONNECTIONS = 8
NO_ROOM = b"ERR no room for another dispenser: the disk or the state file is full"


@pytest.fixture(name="small", params=KINDS)
def small_fixture(request, new_file_system, new_server):
    """A server, not started, whose data lie on a small file system: `server.system`."""
    server = new_server()
    server.system = new_file_system(request.param).attach()
    server.data = server.system.mount / "data"
    return server


def test_a_new_data_folder_on_a_full_disk_is_refused_and_made_later(small):
    small.system.fill()
    with pytest.raises(DidNotStart) as failure:
        small.start()
    ended = failure.value.exit
    assert ended.status == IO_EXIT and len(ended.lines) == 1, ended
    assert os.strerror(28) in ended.stderr, ended
    small.system.make_room()
    small.start()
    with small.connect() as client:
        assert client.command("HSET", "x", "type", 3) == 1


def test_a_full_disk_does_not_stop_what_is_defined(small):
    small.start()
    with small.connect() as client:
        witness = Witness(client)
    small.system.fill()
    for _ in range(2):
        # Many flushes and windows, then a start: none of them needs a new block.
        witness.load(small, CONNECTIONS, 5000, small.kill9)
        small.start()
        with small.connect() as client:
            witness.check(client, exact=True)
    small.restart()
    small.lose_power()
    with small.connect() as client:
        witness.check(client, exact=True)


@pytest.mark.parametrize(
    "small",
    # The kernel takes 0.1 s and more for each store into a page of a full btrfs.
    ["ext4", "xfs", pytest.param("btrfs", marks=pytest.mark.long)],
    indirect=True,
)
def test_growth_on_a_full_disk_is_refused_and_works_when_there_is_room(small):
    small.start()
    state = small.data / "dispensers.state"
    with small.connect() as client:
        ledgers = [Ledger(strategy, strategy).define(client) for strategy in DURABLE]
        small.system.fill()
        size = state.stat().st_size
        defined = define_until_refused(client)
        assert state.stat().st_size == size, "a growth that failed keeps blocks"
        for ledger in ledgers:
            ledger.draw(client, 200)
            ledger.check_exact(client)
        # A slot that is given back can be used again without a block more.
        assert client.command("DEL", defined.pop()) == 1
        assert client.command("HSET", "instead", "type", 3) == 1
        defined.append("instead")
        assert client.command("HSET", "one-more", "type", 3) == Error(NO_ROOM)
        assert_all_are_there(client, defined)

        small.system.make_room()
        wait_for(lambda: client.command("HSET", "one-more", "type", 3) == 1, "room to be used")
        defined += ["one-more", *define(client, "later", 1000)]
        assert state.stat().st_size > size
        assert client.command("GET", "later-999") == b"0"
    assert small.log().count("no room for more dispensers") == 1, small.log()
    small.crash()
    with small.connect() as client:
        assert_all_are_there(client, defined)
        for ledger in ledgers:
            ledger.check_exact(client)
            ledger.draw(client, 200)


def define(client, prefix, count):
    """Defines dispensers by one pipeline; returns their names."""
    names = [f"{prefix}-{number}" for number in range(count)]
    replies = client.pipeline([("HSET", name, "type", 3) for name in names])
    assert replies == [1] * count
    return names


def define_until_refused(client):
    """Defines as many as there is room for; returns their names."""
    names = []
    while True:
        batch = [f"early-{len(names) + number}" for number in range(400)]
        replies = client.pipeline([("HSET", name, "type", 3) for name in batch])
        names += [name for name, reply in zip(batch, replies, strict=True) if reply == 1]
        refused = [reply for reply in replies if reply != 1]
        assert all(reply == Error(NO_ROOM) for reply in refused), refused[0]
        if refused:
            assert len(names) > 500
            return names


def assert_all_are_there(client, names):
    assert client.command("EXISTS", *names) == len(names)


def test_an_empty_file_of_a_start_on_a_full_disk_does_not_stop_a_later_one(small):
    """A start that was refused leaves nothing that a later one, or `check`, would stumble over."""
    small.data.mkdir()
    small.system.fill()
    for _ in range(2):
        with pytest.raises(DidNotStart):
            small.start()
    assert not (small.data / "dispensers.state").exists()
    small.system.make_room()
    small.start()
    with small.connect() as client:
        assert client.command("HSET", "x", "type", 3) == 1
    small.restart()
    with small.connect() as client:
        assert client.command("EXISTS", "x") == 1


@pytest.fixture(name="tiny_run_folder")
def tiny_run_folder_fixture(place):
    """A tmpfs with room for the live counters of a new server, and hardly more."""
    folder = place / "run"
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=128k,mode=755", "none", folder)
    yield folder
    run("umount", "--lazy", folder)


@pytest.mark.parametrize("full", ["from the start", "at growth"])
def test_a_full_run_folder_is_a_warning_and_costs_only_the_live_counters(
    new_server, tiny_run_folder, full
):
    server = new_server()
    server.run = tiny_run_folder
    filling = tiny_run_folder / "filling"
    if full == "from the start":
        filling.write_bytes(b"f" * (128 << 10))
    server.start()
    with server.connect() as client:
        ledger = Ledger("counted", "pre-base").define(client)
        ledger.draw(client, 5000)
        names = define(client, "name", 5000)
        ledger.draw(client, 5000)
        new = Ledger("new", "pre-base").define(client)
        new.draw(client, 5000)
    assert "live counters" in server.log(), server.log()
    server.crash()
    with server.connect() as client:
        assert_all_are_there(client, names)
        for one in (ledger, new):
            one.check_budget(client)
            one.draw(client, 1000)
    filling.unlink(missing_ok=True)


def test_a_limit_of_file_size_refuses_growth_and_goes_on_serving(new_server):
    limit_bytes = 768 << 10  # A new state file and its live counters have less.
    server = new_server(wrapper=("prlimit", f"--fsize={limit_bytes}", "--")).start()
    with server.connect() as client:
        ledger = Ledger("counted", "pre-base").define(client)
        defined = define_until_refused(client)
        ledger.draw(client, 5000)
        assert_all_are_there(client, defined)
    assert os.strerror(errno.EFBIG) in server.log(), server.log()
    server.crash()
    with server.connect() as client:
        ledger.check_exact(client)


def test_a_limit_of_file_size_below_a_new_state_file_is_a_clear_error(new_server):
    server = new_server(wrapper=("prlimit", "--fsize=65536", "--"))
    with pytest.raises(DidNotStart) as failure:
        server.start()
    ended = failure.value.exit
    assert ended.status == IO_EXIT and len(ended.lines) == 1, ended
    assert os.strerror(errno.EFBIG) in ended.stderr, ended
