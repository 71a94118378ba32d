"""A program that serves a port, started and ended by a test."""

import contextlib
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_S = 240  # a first build is slow


def free_port():
    """A port that nothing listens on, below those that the kernel gives to clients."""
    for _ in range(1000):
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("0.0.0.0", port))
            return port
    raise AssertionError("no free port")


@contextlib.contextmanager
def served(command, port, cwd):
    """Runs the command until the block ends, from when the port accepts; then SIGTERM must end it with 0."""
    log_path = cwd / "log"
    with log_path.open("w") as log:
        process = subprocess.Popen([*map(str, command)], cwd=cwd, stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            assert process.poll() is None, log_path.read_text()
            assert time.monotonic() < deadline, log_path.read_text()
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0, log_path.read_text()
    finally:
        process.kill()
        process.wait()
