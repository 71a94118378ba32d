"""ext4, xfs and btrfs on a device that fails, loses its power, or forces them read-only.

The device has a volatile write cache, so that a power cut loses what no flush has covered. ND_SEED
repeats a run, ND_CUTS sets the number of power cuts: 3 by default, 50 with ND_LONG=1.
"""

import os

import pytest

from rig.file_system import KINDS
from rig.witness import Witness

IO_EXIT = 74
CONNECTIONS = 8
CUTS = int(os.environ.get("ND_CUTS", "3"))
LONG_CUTS = int(os.environ.get("ND_CUTS", "50"))

# What happens, and whether clients can still be told: a store into a page that the file system does
# not let become dirty any more is SIGBUS, which ends the process at once.
FAULTS = {
    "writes fail": (lambda drive: drive.disk.fail_writes(), True),
    "flushes fail": (lambda drive: drive.disk.fail_flushes(), True),
    "the device is gone": (lambda drive: drive.disk.cut_power(), True),
    "the file system shuts down": (lambda drive: drive.system.shut_down(), False),
    "it turns read-only": (lambda drive: drive.system.turn_read_only(), False),
}
CASES = [(kind, fault) for kind in KINDS for fault in list(FAULTS)[:3]] + [
    ("ext4", "the file system shuts down"),
    ("xfs", "the file system shuts down"),
    ("ext4", "it turns read-only"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_the_device_loses_what_was_not_flushed(new_drive, kind):
    drive = new_drive(kind)
    for name, flush in (("flushed", True), ("written", False)):
        with open(drive.system.mount / name, "wb", buffering=0) as file:
            file.write(b"data" * 1024)
            if flush:
                os.fsync(file.fileno())
    drive.disk.cut_power()
    drive.plug_in_again()
    assert (drive.system.mount / "flushed").read_bytes() == b"data" * 1024
    written = drive.system.mount / "written"
    assert not written.exists() or written.read_bytes() == b""


@pytest.mark.parametrize("kind, fault", CASES)
def test_a_failing_device_stops_the_server_and_nothing_is_issued_twice(
    new_drive, kind, fault, chance
):
    happen, can_be_told = FAULTS[fault]
    drive = new_drive(kind, "--threads", chance.choice((1, 2)))
    server = drive.server.start()
    with server.connect() as client:
        witness = Witness(client)
    told = witness.load(server, CONNECTIONS, chance.randrange(100, 10_000), lambda: happen(drive))
    ended = server.wait()
    assert ended.status == IO_EXIT, ended
    assert "Check the disk" in ended.stderr, ended
    if can_be_told or "SIGBUS" not in ended.stderr:
        assert told == CONNECTIONS, f"{CONNECTIONS - told} connections were closed without a word"
    drive.plug_in_again()
    if chance.random() < 0.5:  # Else the machine has gone on.
        drive.lose_live_counters()
    server.start()
    with server.connect() as client:
        witness.check(client)
    witness.load(server, CONNECTIONS, 1000, server.kill9)


def power_cuts(drive, chance, cuts):
    server = drive.server.start()
    with server.connect() as client:
        witness = Witness(client)

    def cut():
        drive.disk.cut_power()
        server.kill9()

    for _ in range(cuts):
        # From the very first replies to well past the time when the windows have opened.
        witness.load(server, CONNECTIONS, int(10 ** chance.uniform(0, 4.5)), cut)
        drive.plug_in_again()
        drive.lose_live_counters()
        server.start()
        with server.connect() as client:
            witness.check(client)
    assert witness.received > 0


@pytest.mark.parametrize("kind", KINDS)
def test_power_cuts_repeat_nothing_and_waste_no_more_than_the_budget(new_drive, kind, chance):
    power_cuts(new_drive(kind), chance, CUTS)


@pytest.mark.long
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_many_power_cuts_repeat_nothing(new_drive, kind, threads, chance):
    power_cuts(new_drive(kind, "--threads", threads), chance, LONG_CUTS)
