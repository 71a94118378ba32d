"""A kernel or container that refuses io_uring: one line with the remedy (SPEC section 5)."""

import sys
from pathlib import Path

import pytest

from harness import refuse_io_uring

PERMISSION = 77
DISABLED = Path("/proc/sys/kernel/io_uring_disabled")


def assert_remedy(ended, *remedies):
    assert ended.status == PERMISSION, ended
    assert len(ended.lines) == 1, ended.stderr
    missing = [remedy for remedy in ("io_uring", *remedies) if remedy not in ended.stderr]
    assert not missing, f"{ended.stderr!r} does not mention {missing}"


@pytest.mark.parametrize(
    "error, remedies",
    [
        ("EPERM", ("EPERM", "seccomp", "kernel.io_uring_disabled")),
        ("ENOSYS", ("ENOSYS", "seccomp", "Linux 6.1")),
    ],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_seccomp_filter_is_named_with_the_remedy(new_server, error, remedies, threads):
    wrapper = (sys.executable, refuse_io_uring.__file__, error)
    server = new_server("--threads", threads, wrapper=wrapper)
    assert_remedy(server.spawn().wait(), *remedies)


def test_a_refused_start_leaves_the_data_usable(start):
    server = start()
    with server.connect() as client:
        client.command("HSET", "x", "type", 3)
        client.pipeline([("GET", "x")] * 10)
    server.kill9()
    server.wrapper = (sys.executable, refuse_io_uring.__file__, "EPERM")
    assert_remedy(server.spawn().wait(), "seccomp")
    server.wrapper = ()
    server.start()
    with server.connect() as client:
        assert client.command("GET", "x") == b"10"


def test_the_sysctl_is_named_with_the_remedy(new_server):
    """With 1, only processes without privileges are refused, so nothing else here notices."""
    try:
        before = DISABLED.read_text()
        DISABLED.write_text("1")
    except OSError:
        pytest.skip("kernel.io_uring_disabled cannot be set here")
    try:
        server = new_server().as_nobody()
        server.data.chmod(0o777)
        server.run.chmod(0o777)
        ended = server.spawn().wait()
    finally:
        DISABLED.write_text(before)
    assert_remedy(ended, "kernel.io_uring_disabled")
