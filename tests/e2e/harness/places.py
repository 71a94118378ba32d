"""Where the tests put files, and which ports they use."""

import os
import random
import shutil
import socket
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
BINARY = Path(os.environ.get("ND_SERVER", REPOSITORY / "build" / "number-dispenser")).resolve()
SHARED_MEMORY = Path("/dev/shm")

# Below the kernel's ephemeral ports, so that no outgoing connection takes one between two starts.
_PORTS = range(20000, 32000)
_next_port = random.Random(os.getpid()).randrange(len(_PORTS))


def _file_system(path):
    """Type of the file system that holds `path`, from the longest mount point above it."""
    best = ("", "")
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mount_point, kind = line.split()[:3]
        if Path(mount_point) in (path, *path.parents) and len(mount_point) >= len(best[0]):
            best = (mount_point, kind)
    return best[1]


def new_folder():
    """A new folder on a file system that outlives the machine's memory, readable by every user."""
    candidates = [Path(os.environ.get("ND_TMP", "/tmp")), Path("/var/tmp"), REPOSITORY / "build"]
    base = next((p for p in candidates if _file_system(p) != "tmpfs"), candidates[0])
    folder = Path(tempfile.mkdtemp(prefix="nd-e2e-", dir=base))
    folder.chmod(0o755)
    return folder


def new_run_folder():
    """A new folder in shared memory, for the live counters."""
    return Path(tempfile.mkdtemp(prefix="nd-e2e-", dir=SHARED_MEMORY))


def remove(folder):
    shutil.rmtree(folder, ignore_errors=True)


def free_port():
    """A TCP port that nothing listens on at the moment."""
    global _next_port
    for _ in _PORTS:
        port = _PORTS[_next_port]
        _next_port = (_next_port + 1) % len(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port")


def memory_factor():
    """How much more memory the binary may use: a sanitizer's shadow and quarantine are large."""
    content = BINARY.read_bytes()
    return 10 if any(mark in content for mark in (b"__asan_init", b"__tsan_init")) else 1
