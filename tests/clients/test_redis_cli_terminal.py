"""redis-cli on a terminal."""

import fcntl
import os
import pty
import select
import struct
import termios
import time

import pytest

from harness.resp import Status
from harness.waiting import TIMEOUT_S


def shows(feature):
    return pytest.mark.shows("redis-cli", feature)


class Terminal:
    """redis-cli on a terminal of its own."""

    def __init__(self, server, *arguments):
        self.seen = b""
        environment = os.environ | {"TERM": "xterm", "HOME": str(server.home)}
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            # With a width redis-cli need not ask the terminal for it.
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
            os.execvpe("redis-cli", ["redis-cli", "-p", str(server.port), *arguments], environment)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.master)  # The terminal hangs up, which ends redis-cli.
        os.waitpid(self.pid, 0)

    def type(self, line):
        os.write(self.master, line.encode() + b"\r")

    def expect(self, text):
        """Waits until the text is shown after what was expected before."""
        deadline = time.monotonic() + TIMEOUT_S
        while text not in self.seen:
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not select.select([self.master], [], [], remaining)[0]:
                raise AssertionError(f"{text!r} is not in {self.seen!r}")
            try:
                self.seen += os.read(self.master, 4096)
            except OSError as error:
                raise AssertionError(f"ended before {text!r}: {self.seen!r}") from error
        self.seen = self.seen[self.seen.index(text) + len(text) :]


@shows("terminal")
@pytest.mark.parametrize("arguments", [(), ("-3",)], ids=["RESP2", "RESP3"])
def test_on_a_terminal(shared, name, arguments):
    dialogue = (
        (f"hset {name} type 2 length 4 starting 7", b"(integer) 3"),
        (f"get {name}", b'"0007"'),
        (f"info {name}", b"generated:1"),
        ("get no-such", b"(error) ERR dispenser not found"),
        ("help hset", b"summary:"),
        ("echo done", b'"done"'),
    )
    with Terminal(shared, *arguments) as terminal:
        for line, answer in dialogue:
            # What is typed before the prompt, redis-cli throws away.
            terminal.expect(f"127.0.0.1:{shared.port}> ".encode())
            terminal.type(line)
            terminal.expect(answer)
    with shared.connect() as client:
        assert client.command("PING") == Status(b"PONG")


@shows("reconnect")
def test_terminal_outlives_the_server(start, name):
    server = start()
    prompt = f"127.0.0.1:{server.port}> ".encode()
    with Terminal(server) as terminal:
        for line, answer in ((f"hset {name} type 3", b"(integer) 1"), (f"get {name}", b'"0"')):
            terminal.expect(prompt)
            terminal.type(line)
            terminal.expect(answer)
        terminal.expect(prompt)
        server.crash()
        terminal.type(f"get {name}")
        terminal.expect(b"not connected> ")
        terminal.type(f"get {name}")
        terminal.expect(b'"1"')
