"""contrib/cluster-demo shows what it says, and leaves nothing behind."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from harness import places
from harness.waiting import PATIENCE, TIMEOUT_S, wait_for

DEMO = places.REPOSITORY / "contrib/cluster-demo"


@pytest.fixture(autouse=True)
def _programs():
    path = f"{os.environ['PATH']}:/usr/sbin"
    lacking = [name for name in ("haproxy", "redis-cli") if shutil.which(name, path=path) is None]
    if lacking:
        pytest.skip(f"not installed: {' '.join(lacking)}")


def processes_in(folder):
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in entry.read_bytes():
                found.append(entry.parent.name)
        except OSError:
            continue
    return found


def environment(folder):
    return {**os.environ, "TMPDIR": str(folder), "ND_SERVER": str(places.BINARY)}


def test_it_draws_unique_numbers_with_a_node_less(tmp_path):
    done = subprocess.run([DEMO], env=environment(tmp_path), capture_output=True, text=True,
                          timeout=120 * PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    assert "24 numbers drawn, 24 different" in done.stderr
    assert "order:per node" in done.stdout
    assert list(tmp_path.iterdir()) == [] and processes_in(tmp_path) == []


def test_keep_lasts_until_it_is_ended(tmp_path):
    log = tmp_path / "log"
    folder = tmp_path / "folder"
    folder.mkdir()
    with log.open("w") as output:
        demo = subprocess.Popen([DEMO, "--keep"], env=environment(folder), stdout=output, stderr=output)
    try:
        wait_for(lambda: "Ctrl-C ends it all" in log.read_text() or demo.poll() is not None, "the end of the show",
                 120 * PATIENCE)
        assert demo.poll() is None, log.read_text()
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(TIMEOUT_S) == 143
    finally:
        demo.kill()
        demo.wait()
    assert list(folder.iterdir()) == [] and processes_in(folder) == []
