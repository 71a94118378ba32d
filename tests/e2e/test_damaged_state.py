"""Damaged state files: one rotten copy is survived and said, all else refused (SPEC section 5)."""

import struct

import pytest

from harness import state_file
from harness.ledger import DURABLE, Ledger
from harness.server import DidNotStart
from harness.state_file import HEADER_COPIES, StateFile, bound_offset, descriptor_offset

IO_ERROR = 74


@pytest.fixture(name="filled")
def filled_fixture(start):
    """A killed server with dispensers of every durable strategy, and without its live counters."""
    server = start()
    with server.connect() as client:
        server.ledgers = [Ledger(strategy, strategy).define(client) for strategy in DURABLE]
        for ledger in server.ledgers:
            ledger.draw(client, 500)
    server.kill9()
    for path in server.run.iterdir():
        path.unlink()
    server.file = StateFile(server)
    return server


def assert_refused(server, *mentions):
    """Neither a start nor `check` accepts the file, both say why in the log, nothing is changed."""
    before = server.file.read()
    ended = server.spawn().wait()
    assert ended.status == IO_ERROR, ended
    assert len(ended.lines) == 1, ended.stderr
    checked = server.tool("check")
    assert checked.status == IO_ERROR, checked
    for text in (ended.stderr, checked.stdout + checked.stderr):
        assert "dispensers.state" in text, text
        missing = [mention for mention in mentions if str(mention) not in text]
        assert not missing, f"{text!r} does not mention {missing}"
    assert server.file.read() == before


def assert_promise_holds(server):
    with server.connect() as client:
        for ledger in server.ledgers:
            ledger.check_budget(client)
            ledger.draw(client, 50)
            ledger.check_budget(client)


def test_an_undamaged_file_is_accepted_silently(filled):
    filled.options = ("--log-level", "warn")
    filled.start()
    assert filled.log() == ""
    assert_promise_holds(filled)


@pytest.mark.parametrize("size", [0, 1, 135, 136, 4095, 4096, 4097, 4096 + 32767])
def test_a_truncated_file_is_refused(filled, size):
    filled.file.path.write_bytes(filled.file.read()[:size])
    assert_refused(filled, "backup")


@pytest.mark.parametrize(
    "content", [b"\x7fELF" + b"x" * 28668, b"# not a state file\n", b"\xff" * 28672, bytes(28672)]
)
def test_a_foreign_file_is_refused(filled, content):
    filled.file.path.write_bytes(content)
    assert_refused(filled)


def test_a_newer_version_is_refused(filled):
    filled.file.patch_headers(state_file.VERSION, struct.pack("<I", 3))
    assert_refused(filled, "version 3", "version of number-dispenser")


def test_another_byte_order_is_refused(filled):
    filled.file.patch_headers(state_file.BYTE_ORDER, struct.pack(">I", 0x01020304))
    assert_refused(filled, "byte order")


@pytest.mark.parametrize("copy", HEADER_COPIES)
@pytest.mark.parametrize("offset", [0, 8, 12, 33, 48, 56, 64, 72, 100, 120, 132])
def test_one_rotten_header_is_survived_and_said(filled, copy, offset):
    filled.file.flip(copy + offset)
    filled.start()
    assert "header" in filled.log(), filled.log()
    assert_promise_holds(filled)
    filled.restart()
    assert "header" not in filled.log(), "it was repaired"


def test_two_rotten_headers_are_refused(filled):
    for copy in HEADER_COPIES:
        filled.file.flip(copy + 48)
    assert_refused(filled, "header", "backup")


# state, generation, starting, step, kind, length, length of the name, name, reserved, checksum
@pytest.mark.parametrize("offset", [0, 7, 8, 16, 24, 40, 41, 42, 48, 180, 252])
def test_a_rotten_descriptor_is_refused_with_slot_offset_and_remedy(filled, offset):
    slot = filled.file.slot_of("pre_close")
    filled.file.flip(descriptor_offset(slot) + offset)
    assert_refused(filled, f"slot {slot}", descriptor_offset(slot), "backup")


@pytest.mark.parametrize("copy", [0, 1])
@pytest.mark.parametrize("offset", [0, 8, 16, 24, 32, 40, 48, 72, 80, 84, 124])
def test_one_rotten_bound_is_survived_and_said(filled, copy, offset):
    slot = filled.file.slot_of("pre-base")
    filled.file.flip(bound_offset(slot, copy) + offset, bit=3)
    filled.start()
    assert f"slot {slot}" in filled.log(), filled.log()
    assert_promise_holds(filled)


@pytest.mark.parametrize("copy", [0, 1])
def test_a_rotten_bound_is_repaired_so_that_the_other_copy_may_rot(filled, copy):
    slots = [filled.file.slot_of(strategy) for strategy in DURABLE]
    for slot in slots:
        filled.file.flip(bound_offset(slot, copy) + 8)
    filled.start()
    assert_promise_holds(filled)
    filled.kill9()
    for path in filled.run.iterdir():
        path.unlink()
    for slot in slots:
        filled.file.flip(bound_offset(slot, 1 - copy) + 8)
    filled.start()
    assert_promise_holds(filled)


@pytest.mark.parametrize("copy", [0, 1])
def test_of_two_good_bounds_the_larger_one_rules(filled, copy):
    """A crash between the writes of the two copies leaves an older one beside the newer one."""
    filled.start()
    slots = [filled.file.slot_of(strategy) for strategy in DURABLE]
    old = {slot: filled.file.bound(slot, copy) for slot in slots}
    with filled.connect() as client:
        for ledger in filled.ledgers:
            ledger.draw(client, 3000)
    filled.kill9()
    for path in filled.run.iterdir():
        path.unlink()
    for slot in slots:
        assert filled.file.bound(slot, copy) != old[slot]
        filled.file.write(bound_offset(slot, copy), old[slot])
    filled.start()
    assert_promise_holds(filled)


def test_two_rotten_bounds_are_refused_with_slot_offset_and_remedy(filled):
    slot = filled.file.slot_of("pre-checkpoint")
    for copy in (0, 1):
        filled.file.flip(bound_offset(slot, copy) + 8)
    assert_refused(filled, f"slot {slot}", bound_offset(slot, 0), "backup")


def test_any_flipped_bit_is_refused_or_survived_without_a_repetition(filled, chance):
    healthy = filled.file.read()
    refused = 0
    for _ in range(40):
        # Mostly where there is data: the header page, the first descriptors, the first bounds.
        start = chance.choice(
            (*HEADER_COPIES, descriptor_offset(0), bound_offset(0, 0), bound_offset(0, 1))
        )
        filled.file.flip(start + chance.randrange(256), chance.randrange(8))
        try:
            filled.start()
            assert_promise_holds(filled)
            filled.kill9()
        except DidNotStart as failure:
            assert failure.exit.status == IO_ERROR and len(failure.exit.lines) == 1, failure.exit
            refused += 1
        for ledger in filled.ledgers:
            ledger.last, ledger.received = 499, 500
        filled.file.path.write_bytes(healthy)
        for path in filled.run.iterdir():
            path.unlink()
    assert refused < 40
    filled.start()
    assert_promise_holds(filled)
