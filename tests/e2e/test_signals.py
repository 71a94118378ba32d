"""SIGTERM, SIGINT and SIGHUP (SPEC sections 1 and 4)."""

import signal

import pytest

from harness.ledger import DURABLE, STRATEGIES
from harness.resp import Closed, Resp, Status
from harness.storm import Storm
from harness.waiting import wait_for

STOPS = [signal.SIGTERM, signal.SIGINT]


@pytest.mark.parametrize("number", STOPS, ids=["SIGTERM", "SIGINT"])
def test_a_stop_signal_ends_an_idle_server_with_0(start, number):
    server = start()
    assert server.stop(number).status == 0
    with pytest.raises(ConnectionRefusedError):
        server.connect()


@pytest.mark.parametrize("number", STOPS, ids=["SIGTERM", "SIGINT"])
def test_a_stop_closes_idle_connections_in_order(start, number):
    server = start()
    with server.connect() as idle, server.connect() as half:
        idle.command("PING")
        half.send(b"*2\r\n$3\r\nGE")
        half_seen = server.connect().command("PING")
        assert half_seen == Status(b"PONG")
        assert server.stop(number).status == 0
        assert idle.is_closed() and half.is_closed()


@pytest.mark.parametrize("number", STOPS, ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_stop_answers_what_was_read(start, number, strategy):
    """Every number issued arrives, in order, however far the pipeline was read."""
    server = start()
    with server.connect() as client:
        client.command("HSET", "x", "type", 3, "auto_disk", strategy)
        client.send(b"GET x\r\n" * 5000)
        assert client.read() == b"0"
        server.process.send_signal(number)
        received = 1
        try:
            while True:
                assert client.read() == b"%d" % received
                received += 1
        except Closed:
            pass
    assert server.wait().status == 0
    if strategy != "memory":
        server.start()
        with server.connect() as client:
            info = client.info("x")
            assert (info["generated"], info["current"]) == (str(received), str(received))
            assert info["wasted"] == "0"


def test_a_stop_under_load_loses_nothing(start, chance):
    server = start()
    with server.connect() as client:
        storm = Storm(client, STRATEGIES)
    for _ in range(4):
        storm.rage(server, 8, chance.randrange(1, 20_000), end=signal.SIGTERM)
        server.start()
        with server.connect() as client:
            storm.check(client)
            storm.check_all_arrived(client, DURABLE)


def test_a_stop_does_not_wait_for_a_client_that_never_reads(start):
    server = start()
    with server.connect() as client:
        client.socket.setblocking(False)
        try:
            for _ in range(10_000):
                client.socket.send(b"INFO\r\n" * 1000)
        except BlockingIOError:
            pass
        assert server.stop().status == 0


@pytest.fixture(name="configured")
def configured_fixture(new_server):
    """A server, not started, with a configuration file that the test may write again."""
    server = new_server()
    file = server.home / "nd.yaml"
    server.options = ("--config", file)

    def configure(text):
        file.write_text(text)

    server.configure = configure
    return server


def test_sighup_rereads_the_log_level(configured):
    configured.configure("logging:\n  level: error\n")
    configured.start()
    assert configured.log() == ""
    configured.configure("logging:\n  level: debug\n")
    configured.process.send_signal(signal.SIGHUP)

    def says_something():
        configured.connect().close()
        return configured.log() != ""

    wait_for(says_something, "the log to be more talkative")
    configured.configure("logging:\n  level: error\n")
    configured.process.send_signal(signal.SIGHUP)

    def is_silent():
        before = configured.log()
        with configured.connect() as client:
            client.command("PING")
        return configured.log() == before

    wait_for(is_silent, "the log to be silent again")


def can_log_in(server, password):
    with Resp(server.address) as client:
        return client.command("AUTH", password) == Status(b"OK")


def test_sighup_rereads_the_password(configured):
    configured.configure("server:\n  requirepass: first\n")
    configured.start()
    assert can_log_in(configured, "first")
    configured.configure("server:\n  requirepass: second\n")
    configured.process.send_signal(signal.SIGHUP)
    wait_for(lambda: can_log_in(configured, "second"), "the new password to hold")
    assert not can_log_in(configured, "first")


def test_sighup_with_a_broken_file_changes_nothing_and_says_so(configured):
    configured.configure("server:\n  requirepass: first\n")
    configured.start()
    configured.configure("server:\n  colour: red\n")
    configured.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "colour" in configured.log(), "the error in the log")
    assert can_log_in(configured, "first")


def test_sighup_without_a_file_changes_nothing(start):
    server = start()
    with server.connect() as client:
        client.command("HSET", "x", "type", 3)
        for number in range(20):
            server.process.send_signal(signal.SIGHUP)
            assert client.command("GET", "x") == b"%d" % number
