"""Limits of clients, named as in Redis: how many, how much memory, how long idle; Unix sockets."""

import contextlib
import os
import stat
import time

import pytest

from harness import places
from harness.resp import Closed, Error, Resp, Status, encode
from harness.server import DidNotStart
from harness.waiting import wait_for

PONG = Status(b"PONG")
FULL = Error(b"ERR max number of clients reached")
CONFIGURATION_EXIT = 78


def stat_of(client, section, name):
    return int(client.info(section)[name])


def is_refused(server):
    with server.connect() as client:
        try:
            return client.read() == FULL and client.is_closed()
        except Closed:
            return False


@pytest.mark.parametrize("threads", [1, 2])
def test_one_client_too_many_is_told_so_and_the_others_are_served(start, threads):
    server = start("--threads", threads, "--maxclients", 5)
    with server.connect() as client:
        wait_for(lambda: stat_of(client, "clients", "connected_clients") == 1, "the probe to be gone")
        others = [server.connect() for _ in range(4)]
        assert all(other.command("PING") == PONG for other in others)
        assert is_refused(server) and is_refused(server)
        assert stat_of(client, "stats", "rejected_connections") == 2
        assert client.info("clients")["maxclients"] == "5"
        # What it has sent does not take the error from it.
        with server.connect() as hasty:
            hasty.send_quietly(encode("PING"))
            assert hasty.read() == FULL
        others.pop().close()
        wait_for(lambda: stat_of(client, "clients", "connected_clients") == 4, "a place to be free")
        with server.connect() as late:
            assert late.command("PING") == PONG
        assert client.command("CONFIG", "SET", "maxclients", 1) == b"OK"
        assert is_refused(server)
        assert all(other.command("PING") == PONG for other in others)


def test_maxclients_is_lowered_to_what_the_limit_of_open_files_allows(new_server):
    server = new_server(wrapper=("prlimit", "--nofile=200:200", "--")).start()
    with server.connect() as client:
        allowed = stat_of(client, "clients", "maxclients")
        assert 0 < allowed < 200
        assert f"maxclients is {allowed} and not 10000" in server.log()
        refusal = client.command("CONFIG", "SET", "maxclients", 10_000)
        assert refusal.endswith(b"try with %d" % allowed), refusal


def test_the_largest_clients_go_when_all_take_too_much(start):
    server = start("--maxmemory-clients", "1mb")
    with server.connect() as client:
        client.command("HSET", "x", "type", 3)
        hogs = [server.connect() for _ in range(8)]
        for hog in hogs:
            hog.send_quietly(b"*2\r\n$4\r\nECHO\r\n$900000\r\n" + b"x" * 300_000)
        wait_for(lambda: stat_of(client, "stats", "evicted_clients") > 0, "a client to be evicted")
        wait_for(
            lambda: stat_of(client, "memory", "mem_clients_normal") <= 1 << 20, "memory to be free"
        )
        assert client.command("GET", "x") == b"0"
        evicted = stat_of(client, "stats", "evicted_clients")
        assert 0 < evicted <= len(hogs)
        assert "who took most was disconnected" in server.log()
        for hog in hogs:
            hog.close()


def test_a_transaction_of_a_hundred_thousand_infos_stays_bounded(start):
    server = start()
    with server.connect() as client, server.connect() as other:
        before_kib = server.memory_kib()
        client.pipeline([("MULTI",)] + [("INFO",)] * 100_000)
        client.send(encode("EXEC"))
        replies = client.read()
        assert len(replies) == 100_000
        refused = [reply for reply in replies if isinstance(reply, Error)]
        assert refused and set(refused) == {
            Error(b"ERR not run: the replies of this transaction are too large")
        }
        assert other.command("PING") == PONG
        assert server.memory_kib() - before_kib < 100_000 * places.memory_factor()


@pytest.mark.parametrize("by", ["option", "CONFIG SET"])
def test_an_idle_client_is_disconnected_after_the_timeout(start, by):
    server = start(*(("--timeout", 1) if by == "option" else ()))
    with server.connect() as idle, contextlib.ExitStack() as opened:
        busy = opened.enter_context(server.connect())
        idle.command("PING")
        if by == "CONFIG SET":
            assert busy.command("CONFIG", "SET", "timeout", 1) == b"OK"
        idle.socket.settimeout(0.1)
        served = time.monotonic()

        def is_gone():
            nonlocal busy, served
            asked = time.monotonic()
            try:
                assert busy.command("PING") == PONG
            except Closed:
                assert asked - served >= 1, "it was not idle"
                busy = opened.enter_context(server.connect())  # The machine stood still.
            served = asked
            try:
                return idle.socket.recv(1) == b""
            except TimeoutError:
                return False

        wait_for(is_gone, "the idle client to be disconnected")


@pytest.mark.parametrize("limit", ["normal 64kb 0 0", "normal 0 64kb 1"])
def test_a_client_with_more_output_than_its_limit_is_disconnected(start, limit):
    server = start("--client-output-buffer-limit", limit)
    with server.connect() as deaf, server.connect() as client:
        deaf.socket.settimeout(1)
        with pytest.raises(OSError):  # Reset while sending, or nobody takes it: see the log.
            while True:
                deaf.send(b"COMMAND\r\n" * 1000)
        wait_for(lambda: "bytes of output waited for it" in server.log(), "it to be disconnected")
        assert client.command("PING") == PONG


def test_a_unix_socket_has_the_mode_and_group_asked_for(new_server):
    server = new_server()
    path = server.home / "socket"
    gid = os.stat("/etc/shadow").st_gid  # Debian's group shadow: any that is not this process's.
    options = ("--unixsocketperm", "770", "--unixsocket-group", "shadow")
    server.options = ("--addr", f"unix:{path}", *options)
    server.start()
    found = os.stat(path)
    assert stat.S_IMODE(found.st_mode) == 0o770
    assert found.st_gid == gid
    with Resp(str(path)) as client:
        assert client.command("PING") == PONG


def test_a_group_that_is_not_there_is_a_clear_error(new_server):
    server = new_server()
    path = server.home / "socket"
    server.options = ("--addr", f"unix:{path}", "--unixsocket-group", "no-such-group")
    with pytest.raises(DidNotStart) as failure:
        server.start()
    ended = failure.value.exit
    assert ended.status == CONFIGURATION_EXIT and "no group is called no-such-group" in ended.stderr
    assert not path.exists()
