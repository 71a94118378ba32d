"""Fixtures of the tests of packaging and operation.

ND_SERVER is the path of the server binary, ND_BUILD a meson build directory of this tree. Tests
that need one of them are skipped, with that reason, where it is not set.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def path_from_environment(name):
    if name not in os.environ:
        pytest.skip(f"{name} is not set")
    path = pathlib.Path(os.environ[name]).resolve()
    assert path.exists(), f"{name}={path} does not exist"
    return path


@pytest.fixture(scope="session")
def repository():
    return REPOSITORY


@pytest.fixture(scope="session")
def server_binary():
    return path_from_environment("ND_SERVER")


@pytest.fixture(scope="session")
def build_directory():
    return path_from_environment("ND_BUILD")


@pytest.fixture(scope="session")
def system_build(build_directory, tmp_path_factory):
    """A build directory with the prefix /usr and the program of ND_BUILD."""
    build = tmp_path_factory.mktemp("system") / "build"
    subprocess.run(["meson", "setup", build, REPOSITORY, "--prefix=/usr", "--buildtype=release"],
                   check=True, stdout=subprocess.DEVNULL, timeout=120)
    shutil.copy(build_directory / "number-dispenser", build)
    return build


@pytest.fixture(scope="session")
def install():
    """install(build, root) is meson install with DESTDIR."""
    def run(build, root):
        subprocess.run(["meson", "install", "--no-rebuild", "--quiet", "-C", build],
                       env={**os.environ, "DESTDIR": str(root)}, check=True, timeout=120)
    return run


@pytest.fixture(scope="session")
def help_text(server_binary):
    done = subprocess.run([server_binary, "--help"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_until_accepting(process, port, seconds=120):
    """Waits for the server's port; a connection attempt is the clock, so nothing is slept away."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
    raise AssertionError("the server did not accept in time")


@pytest.fixture
def start_server(server_binary, free_port, tmp_path):
    """start_server(prefix, options) runs the server behind a command prefix and returns the
    process, with its port; a clean stop at the end of the test is part of the test."""
    running = []

    def start(prefix=(), options=()):
        (tmp_path / "run").mkdir(exist_ok=True)
        command = [*prefix, server_binary, "--addr", f"127.0.0.1:{free_port}", "--data",
                   tmp_path / "data", "--run", tmp_path / "run", *options]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        process.port = free_port
        running.append(process)
        wait_until_accepting(process, free_port)
        return process

    yield start
    for process in running:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    for process in running:
        try:
            assert process.wait(120) == 0
        finally:
            process.kill()
