"""Writes and flushes that fail: the server stops issuing, tells clients and the log, exits 74, and
issues nothing twice after the repair (SPEC sections 1, 4 and 5).

ND_SEED repeats a run.
"""

import errno
import os
import shutil
import time

import pytest

from harness.ledger import check_figures
from harness.resp import Closed, Error, Status
from harness.server import DidNotStart
from harness.waiting import PATIENCE, wait_for
from rig.witness import IO_ERROR, Witness

IO_EXIT = 74
DRAIN_S = 5 * PATIENCE  # what src/server/server_stop.cc gives clients
CONNECTIONS = 8
ROUNDS = int(os.environ.get("ND_ROUNDS", "200"))
FAULTS = [
    (fault, number)
    for fault in ("fail_writes", "fail_flushes")
    for number in (errno.EIO, errno.ENOSPC)
]
REPAIRS = ("the kernel keeps its pages", "mounted afresh", "power cut")


@pytest.fixture(name="on_disk")
def on_disk_fixture(disk, new_server):
    """Makes servers, not started, whose data lie on the disk."""

    def on_disk(*options):
        server = new_server(*options)
        server.data = disk.mount / "data"
        return server

    yield on_disk
    disk.repair()


def assert_stopped(server, number=errno.EIO):
    """The server has ended by itself as after an I/O error, and has said why."""
    ended = server.wait()
    assert ended.status == IO_EXIT, ended
    reasons = [line for line in ended.lines if "could not be flushed" in line]
    assert reasons and all(os.strerror(number) in line for line in reasons), ended.stderr
    assert any("Check the disk" in line for line in reasons), ended.stderr


def repair(disk, server, how):
    disk.repair()
    if how != "the kernel keeps its pages":
        disk.serve_again()
    if how == "power cut":
        for path in server.run.iterdir():
            path.unlink()


def fail_under_load(server, witness, disk, fault, replies):
    """Returns when the server has ended; every client was told why."""
    name, number = fault
    told = witness.load(server, CONNECTIONS, replies, lambda: getattr(disk, name)(number))
    assert told == CONNECTIONS, f"{CONNECTIONS - told} connections were closed without a word"
    # What fails to be written shows at the flush, as the kernel has remembered it.
    assert_stopped(server, number)


@pytest.mark.parametrize("how", REPAIRS)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f"{f[0]}-{errno.errorcode[f[1]]}")
def test_after_a_failed_flush_under_load_nothing_is_issued_twice(on_disk, disk, fault, how, chance):
    server = on_disk("--threads", chance.choice((1, 2))).start()
    with server.connect() as client:
        witness = Witness(client)
    fail_under_load(server, witness, disk, fault, replies=chance.randrange(100, 20_000))
    repair(disk, server, how)
    server.start()
    with server.connect() as client:
        witness.check(client, exact=how != "power cut")
    # What the failed flush lost must be on the disk by now, though the kernel thinks it was.
    fail_under_load(server, witness, disk, fault, replies=1000)
    repair(disk, server, "power cut")
    server.start()
    with server.connect() as client:
        witness.check(client)


@pytest.mark.long
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_many_failed_flushes_repeat_nothing(on_disk, disk, threads, chance):
    server = on_disk("--threads", threads).start()
    with server.connect() as client:
        witness = Witness(client)
    for _ in range(ROUNDS):
        replies = int(10 ** chance.uniform(0, 4.5))
        fail_under_load(server, witness, disk, chance.choice(FAULTS), replies)
        repair(disk, server, chance.choice(REPAIRS))
        server.start()
        with server.connect() as client:
            witness.check(client)
    assert witness.received > 100 * ROUNDS


def test_a_definition_that_could_not_be_flushed_is_not_acknowledged(on_disk, disk):
    server = on_disk().start()
    with server.connect() as client, server.connect() as other:
        assert client.command("HSET", "kept", "type", 3) == 1
        assert client.command("HSET", "deleted", "type", 3) == 1
        disk.fail_flushes()
        other.command("PING")
        replies = client.pipeline([("HSET", "lost", "type", 3), ("DEL", "deleted")])
        assert all(isinstance(r, Error) and (b"-" + r).startswith(IO_ERROR) for r in replies)
        assert client.is_closed()
    assert_stopped(server)
    repair(disk, server, "power cut")
    server.start()
    with server.connect() as client:
        assert client.command("EXISTS", "kept") == 1
        assert client.command("EXISTS", "deleted") == 1
        assert client.command("EXISTS", "lost") == 0


def test_a_start_makes_durable_what_only_the_kernel_still_knows(on_disk, disk):
    """Definitions whose last flush failed are in the kernel's pages, which look clean to it."""
    server = on_disk().start()
    names = [f"name-{number}" for number in range(64)]  # All slots of some pages.
    with server.connect() as client:
        # The first flush makes the definitions durable, the second would bring them into force.
        disk.fail_flushes(spared=1)
        client.send(b"".join(b"HSET %b type 3\r\n" % name.encode() for name in names))
        assert (b"-" + client.read()).startswith(IO_ERROR)
    assert_stopped(server)
    repair(disk, server, "the kernel keeps its pages")
    server.start()
    with server.connect() as client:
        assert client.command("EXISTS", *names) == 64, "the kernel has forgotten them: no test"
        received = [client.command("GET", name) for name in names]
        assert received == [b"0"] * 64
    server.kill9()
    repair(disk, server, "power cut")
    server.start()
    with server.connect() as client:
        assert client.command("EXISTS", *names) == 64
        assert [client.command("GET", name) for name in names] == [b"1"] * 64


@pytest.mark.parametrize("threads", [1, 2])
def test_while_a_flush_hangs_what_needs_none_is_served_and_numbers_wait(on_disk, disk, threads):
    server = on_disk("--threads", threads).start()
    with server.connect() as client, server.connect() as waiting:
        client.command("HSET", "volatile", "type", 3, "auto_disk", "memory")
        client.command("HSET", "durable", "type", 3, "auto_disk", "elegant_close")
        disk.hold_flushes()
        waiting.send(b"GET durable\r\n" * 100)
        wait_for(disk.holds_one, "a flush to hang")
        for number in range(200):
            assert client.command("PING") == Status(b"PONG")
            assert client.command("GET", "volatile") == b"%d" % number
            assert client.info("durable")["name"] == "durable"
        waiting.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            waiting.socket.recv(1)
        waiting.socket.settimeout(5)
        disk.repair()
        received = b""
        while received.count(b"$") < 100 or not received.endswith(b"\r\n99\r\n"):
            received += waiting.socket.recv(1 << 16)
        assert received.split(b"\r\n")[1::2] == [b"%d" % number for number in range(100)]
    assert server.stop().status == 0


def test_a_stop_waits_for_a_flush_that_hangs_and_then_loses_nothing(on_disk, disk):
    server = on_disk().start()
    with server.connect() as client, server.connect() as other:
        client.command("HSET", "x", "type", 3)
        disk.hold_flushes()
        client.send(b"GET x\r\n")
        wait_for(disk.holds_one, "a flush to hang")
        server.process.terminate()
        # The log line is written before the stop begins to wait.
        wait_for(lambda: "stopping" in server.log(), "the stop to begin")
        assert server.process.poll() is None
        disk.repair()
        assert client.read() == b"0"
        assert other.is_closed()
    assert server.wait().status == 0
    server.start()
    with server.connect() as client:
        assert client.command("GET", "x") == b"1"


def test_a_flush_that_fails_during_the_stop_is_told_and_repeats_nothing(on_disk, disk):
    server = on_disk().start()
    with server.connect() as client:
        client.command("HSET", "x", "type", 3)
        assert client.command("GET", "x") == b"0"
        disk.hold_flushes()
        client.send(b"GET x\r\n")
        wait_for(disk.holds_one, "a flush to hang")
        server.process.terminate()
        wait_for(lambda: "stopping" in server.log(), "the stop to begin")
        disk.fail_flushes()
        assert (b"-" + client.read()).startswith(IO_ERROR)
        assert client.is_closed()
    assert_stopped(server)
    repair(disk, server, "power cut")
    server.start()
    with server.connect() as client:
        assert client.command("GET", "x") == b"1"


@pytest.mark.parametrize("how", REPAIRS)
@pytest.mark.parametrize("fault", ["fail_writes", "fail_flushes"])
def test_a_clean_stop_whose_last_flush_fails_is_none(on_disk, disk, fault, how):
    server = on_disk().start()
    with server.connect() as client:
        client.command("HSET", "x", "type", 3, "auto_disk", "pre-base")
        received = [int(client.command("GET", "x")) for _ in range(100)]
    getattr(disk, fault)()
    ended = server.stop()
    assert ended.status == IO_EXIT, ended
    assert "dispensers.state" in ended.stderr and os.strerror(errno.EIO) in ended.stderr
    repair(disk, server, how)
    server.start()
    with server.connect() as client:
        wasted = check_figures(client.info("x"))
        assert wasted == 0 or how == "power cut" and wasted <= 100
        assert int(client.command("GET", "x")) > max(received)


@pytest.mark.parametrize("how", REPAIRS)
@pytest.mark.parametrize("fault", ["fail_writes", "fail_flushes"])
def test_a_start_whose_first_flush_fails_is_refused_and_changes_nothing(on_disk, disk, fault, how):
    server = on_disk().start()
    with server.connect() as client:
        client.command("HSET", "x", "type", 3, "auto_disk", "pre_close")
        for _ in range(100):
            last = int(client.command("GET", "x"))
    server.kill9()
    getattr(disk, fault)()
    with pytest.raises(DidNotStart) as failure:
        server.start()
    ended = failure.value.exit
    assert ended.status == IO_EXIT, ended
    assert "cannot flush" in ended.lines[-1] and str(server.data) in ended.lines[-1], ended
    repair(disk, server, how)
    server.start()
    with server.connect() as client:
        assert int(client.command("GET", "x")) > last


@pytest.mark.parametrize("fault", ["fail_writes", "fail_flushes"])
def test_a_new_data_folder_on_a_failing_disk_is_refused_and_made_later(on_disk, disk, fault):
    server = on_disk()
    getattr(disk, fault)()
    with pytest.raises(DidNotStart) as failure:
        server.start()
    ended = failure.value.exit
    assert ended.status == IO_EXIT and len(ended.lines) == 1, ended
    assert os.strerror(errno.EIO) in ended.stderr
    disk.repair()
    server.start()
    with server.connect() as client:
        assert client.command("HSET", "x", "type", 3) == 1


def test_definitions_that_wait_for_growth_are_answered_when_the_flush_fails(on_disk, disk):
    """The stop waits for none of them. A machine with other work may stand still, but not every time."""
    server, tries_s = on_disk(), []
    while not tries_s or tries_s[-1] >= DRAIN_S and len(tries_s) < 5:
        shutil.rmtree(server.data, ignore_errors=True)
        tries_s.append(fail_while_definitions_wait(server, disk))
        repair(disk, server, "power cut")
    assert tries_s[-1] < DRAIN_S, f"the stop waited for something: {tries_s}"


def fail_while_definitions_wait(server, disk):
    """How long the server took to end."""
    server.start()
    with server.connect() as client:
        disk.hold_flushes()
        # More than there are slots: the last ones wait for the file to grow.
        client.send(b"".join(b"HSET name-%d type 3\r\n" % number for number in range(2000)))
        wait_for(disk.holds_one, "a flush to hang")
        with server.connect() as other:
            assert other.command("PING") == Status(b"PONG")
        disk.fail_flushes()
        failed = time.monotonic()
        assert (b"-" + client.read()).startswith(IO_ERROR)
        rest = client.read_to_end()
        assert all(line.startswith(IO_ERROR) for line in rest.split(b"\r\n")[:-1]), rest[:200]
    assert_stopped(server)
    return time.monotonic() - failed


def test_growth_on_a_failing_disk_stops_the_server(on_disk, disk):
    server = on_disk().start()
    defined = 0
    with server.connect() as client:
        for _ in range(300):
            assert client.command("HSET", f"name-{defined}", "type", 3) == 1
            defined += 1
        disk.fail_writes()
        try:
            assert (b"-" + client.command("HSET", "lost", "type", 3)).startswith(IO_ERROR)
        except Closed:
            pass
    assert_stopped(server)
    repair(disk, server, "power cut")
    server.start()
    with server.connect() as client:
        assert client.command("EXISTS", *(f"name-{n}" for n in range(defined))) == defined
        assert client.command("EXISTS", "lost") == 0
