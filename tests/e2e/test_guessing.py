"""Guessing passwords: it becomes slow, for an address and not for the server, and is logged."""

import select
import time

import pytest

from harness.resp import Error, Status, encode

WRONGPASS = Error(b"WRONGPASS invalid username-password pair or user is disabled.")
OK = Status(b"OK")


@pytest.fixture(name="locked")
def locked_fixture(start):
    return start("--requirepass", "hunter2", "--threads", 2)


def fail_once(server):
    with server.connect() as guesser:
        assert guesser.command("AUTH", "guess-secret") == WRONGPASS


def test_reconnecting_does_not_help(locked):
    begin = time.monotonic()
    for _ in range(9):
        fail_once(locked)
    # Penalties of 2, 4 ... 256 ms lie between them.
    assert time.monotonic() - begin >= 0.5


def test_a_transaction_does_not_help(start):
    server = start()
    with server.connect() as guesser:
        guesses = [("AUTH", "default2", "guess-secret")] * 12
        guesser.send(b"".join(encode(*words) for words in [("MULTI",), *guesses, ("PING",), ("EXEC",)]))
        assert [guesser.read() for _ in range(14)] == [OK] + [Status(b"QUEUED")] * 13
        assert guesser.read_to_end().count(b"-WRONGPASS") == 10


def test_others_are_served_while_an_attempt_waits(locked):
    with locked.connect() as client, locked.connect() as guesser:
        assert client.command("AUTH", "hunter2") == OK
        for _ in range(8):
            fail_once(locked)
        # Penalties double, so one of them outlasts whatever pause a busy machine makes.
        for _ in range(4):
            guesser.send(encode("AUTH", "guess-secret"))
            assert client.pipeline([("PING",)] * 100) == [Status(b"PONG")] * 100
            still_waits = not select.select([guesser.socket], [], [], 0)[0]
            assert guesser.read() == WRONGPASS
            if still_waits:
                return
        raise AssertionError("others wait as long as the attempt")


def test_a_clean_stop_does_not_wait_for_penalties(locked):
    for _ in range(9):
        fail_once(locked)
    with locked.connect() as client:
        client.send(encode("AUTH", "hunter2"))
        assert locked.stop().status == 0
        assert client.read() == OK


def test_failures_are_logged_without_the_password_and_not_without_end(locked):
    with locked.connect() as guesser:
        address = "%s:%d" % guesser.socket.getsockname()
        assert guesser.command("AUTH", "some\none", "guess-secret") == WRONGPASS
    for _ in range(7):
        fail_once(locked)
    lines = [line for line in locked.log().splitlines() if "failed to log in" in line]
    assert 1 <= len(lines) <= 8
    assert f"at {address} failed to log in as 'some one'" in lines[0]
    assert "guess-secret" not in locked.log()
