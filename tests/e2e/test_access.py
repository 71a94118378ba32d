"""Passwords and protected mode, with the texts of Redis (SPEC section 4, CLIENTS)."""

import subprocess

import pytest

from harness.resp import Error, Resp, Status, encode

NOAUTH = Error(b"NOAUTH Authentication required.")
WRONGPASS = Error(b"WRONGPASS invalid username-password pair or user is disabled.")
NOT_CONFIGURED = Error(
    b"ERR AUTH <password> called without any password configured for the default user. "
    b"Are you sure your configuration is correct?"
)
OK = Status(b"OK")


@pytest.fixture(name="locked")
def locked_fixture(start):
    return start("--requirepass", "correct horse")


@pytest.mark.parametrize(
    "request_arguments",
    [
        ("GET", "x"),
        ("HSET", "x", "type", 3),
        ("DEL", "x"),
        ("INFO",),
        ("PING",),
        ("COMMAND",),
        ("ECHO", 1),
    ],
)
def test_commands_need_the_password(locked, request_arguments):
    with locked.connect() as client:
        assert client.command(*request_arguments) == NOAUTH
        assert client.command("AUTH", "correct horse") == OK
        assert client.command(*request_arguments) != NOAUTH


def test_a_command_refused_without_the_password_is_not_run(locked):
    with locked.connect() as client, locked.connect() as stranger:
        client.command("AUTH", "default", "correct horse")
        client.command("HSET", "x", "type", 3)
        assert stranger.pipeline([("GET", "x")] * 10 + [("DEL", "x")]) == [NOAUTH] * 11
        assert client.command("GET", "x") == b"0"


@pytest.mark.parametrize(
    "request_arguments",
    [
        ("AUTH", "wrong"),
        ("AUTH", ""),
        ("AUTH", "correct horsE"),
        ("AUTH", "correct horse "),
        ("AUTH", "default", "wrong"),
        ("AUTH", "someone", "correct horse"),
        ("HELLO", 3, "AUTH", "default", "wrong"),
    ],
)
def test_a_wrong_password_is_refused(locked, request_arguments):
    with locked.connect() as client:
        assert client.command(*request_arguments) == WRONGPASS
        assert client.command("PING") == NOAUTH


def test_hello_can_carry_the_password(locked):
    with locked.connect() as client:
        assert client.command("HELLO", 3).startswith(b"NOAUTH ")
        hello = client.command("HELLO", 3, "AUTH", "default", "correct horse", "SETNAME", "me")
        assert hello[b"proto"] == 3
        assert client.command("CLIENT", "GETNAME") == b"me"


def test_a_failed_auth_does_not_undo_an_earlier_one(locked):
    with locked.connect() as client:
        assert client.command("AUTH", "correct horse") == OK
        assert client.command("AUTH", "wrong") == WRONGPASS
        assert client.command("PING") == Status(b"PONG")


def test_strangers_may_quit(locked):
    with locked.connect() as client:
        assert client.command("QUIT") == OK
        assert client.is_closed()


@pytest.mark.parametrize(
    "data, text",
    [
        (b"*11\r\n", b"unauthenticated multibulk length"),
        (b"*1\r\n$16385\r\n", b"unauthenticated bulk length"),
    ],
)
def test_strangers_may_not_send_large_requests(locked, data, text):
    with locked.connect() as client:
        client.send(data)
        assert client.read_to_end() == b"-ERR Protocol error: " + text + b"\r\n"
    with locked.connect() as client:
        client.command("AUTH", "correct horse")
        assert client.command("ECHO", "x" * 20_000) == b"x" * 20_000
        assert client.command("EXISTS", *["x"] * 20) == 0


def test_without_a_password_auth_says_that_none_is_configured(shared):
    with shared.connect() as client:
        assert client.command("AUTH", "x") == NOT_CONFIGURED
        assert client.command("AUTH", "default", "anything") == OK
        assert client.command("HELLO", 2, "AUTH", "default", "x")[0] == b"server"


def test_redis_cli_logs_in(locked):
    command = ["redis-cli", "-p", str(locked.port), "--no-auth-warning"]
    for password, expected in (("correct horse", "PONG"), ("wrong", "NOAUTH")):
        done = subprocess.run(
            [*command, "-a", password, "ping"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert expected in done.stdout + done.stderr


def own_address():
    """An address of this machine that is not on loopback."""
    addresses = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True)
    return next(
        (a for a in addresses.stdout.split() if "." in a and not a.startswith("127.")), None
    )


@pytest.fixture(name="outside")
def outside_fixture():
    address = own_address()
    if address is None:
        pytest.skip("this machine has no address but loopback")
    return address


def everywhere(new_server, *options):
    """A server on every interface."""
    server = new_server(bare=True)
    fixed = ("--addr", f":{server.port}", "--data", server.data, "--run", server.run)
    server.options = (*fixed, *options)
    return server.start()


def test_protected_mode_refuses_peers_beyond_loopback(new_server, outside):
    server = everywhere(new_server)
    with Resp((outside, server.port)) as peer:
        peer.send_quietly(encode("HSET", "x", "type", 3))
        reply = peer.read_to_end()
        assert reply.startswith(b"-DENIED ") and reply.count(b"\r\n") == 1, reply
        assert b"protected" in reply.lower() and b"password" in reply, reply
    with server.connect() as client:
        assert client.command("EXISTS", "x") == 0


@pytest.mark.parametrize("options", [("--protected-mode", "no"), ("--requirepass", "p")])
def test_peers_are_served_without_protected_mode_or_with_a_password(new_server, outside, options):
    server = everywhere(new_server, *options)
    with Resp((outside, server.port)) as peer:
        peer.command("AUTH", "default", "p")
        assert peer.command("PING") == Status(b"PONG")
