"""What every client goes through. A program of a client is called

    PROGRAM SCENARIO PORT NAME

with the name of a dispenser that only it uses, and ends with 0 after the line "ok". The environment variable CA is the
file of the certificate where the port speaks TLS. What a scenario expects of the program:

    connect      define NAME (type 2, length 5), draw 00000, read INFO, see an error for an unknown name
    pool         many callers over several connections draw; no number comes twice
    pipeline     1000 draws in one go, in order
    transaction  two draws in MULTI and EXEC, consecutive
    reconnect    draw, print "restart" and read a line, during which the server is killed and started again; draw again
    RESP3        the same as connect, after HELLO 3
    AUTH         a wrong password is refused, the right one is not
    ACL user     the user app draws from NAME, which is defined, and may not define
    TLS          the same as connect, over TLS
"""

import os
import subprocess
from dataclasses import dataclass

import pytest
from harness.server import Server
from harness.waiting import TIMEOUT_S

SECRET, APP, APP_SECRET = "secret", "app", "app-secret"


@dataclass
class Place:
    """Where a scenario takes place."""

    server: Server
    name: str
    port: int
    authority: str = ""  # the file of the certificate, for TLS

    def command(self, *words):
        """A request beside the client's, by the user `default`."""
        with self.server.connect() as connection:
            if "--aclfile" in self.server.options:
                connection.command("AUTH", SECRET)
            return connection.command(*words)


def play(command, scenario, place, env=None):
    """Runs the program of a client through one scenario."""
    process = subprocess.Popen(
        [*map(str, command), scenario, str(place.port), place.name],
        env=os.environ | {"CA": place.authority} | (env or {}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        if scenario == "reconnect":
            line = process.stdout.readline()
            assert line == "restart\n", line + process.communicate(timeout=TIMEOUT_S)[0]
            place.server.crash()
        output, _ = process.communicate("\n", timeout=2 * TIMEOUT_S)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, output) == (0, "ok\n")


def of(client, *scenarios):
    """The scenarios as a parameter of a test, marked for the matrix."""
    return pytest.mark.parametrize(
        "scenario", [pytest.param(each, marks=pytest.mark.shows(client, each)) for each in scenarios]
    )
