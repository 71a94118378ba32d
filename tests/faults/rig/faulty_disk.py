"""A folder on a disk with a volatile write cache that fails on command (faulty_disk.c)."""

import errno
import os
import shutil
import subprocess
from pathlib import Path

from harness.waiting import wait_for

from .command import run, try_to_run

SOURCE = Path(__file__).resolve().parents[1] / "faulty_disk.c"


def missing():
    """Why such a disk cannot be made here, or nothing."""
    if os.geteuid() != 0:
        return "mounting needs root"
    if not os.path.exists("/dev/fuse"):
        return "there is no /dev/fuse"
    if not try_to_run("pkg-config", "--exists", "fuse3"):
        return "libfuse3-dev is not installed"
    return None


def build(program):
    flags = run("pkg-config", "--cflags", "--libs", "fuse3").split()
    run(
        *("gcc", "-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror"),
        *(SOURCE, "-o", program, *flags),
    )


class FaultyDisk:
    """Mounted at `mount`. What was flushed lies in `disk`, what was only written in `cache`."""

    def __init__(self, program, home):
        self.program = program
        self.home = home
        self.cache, self.disk, self.mount = home / "cache", home / "disk", home / "mount"
        self.control = home / "control"
        for folder in (self.cache, self.disk, self.mount):
            folder.mkdir()
        self.process = None

    def serve(self):
        """Mounts it, with nothing in its cache but what is on the disk."""
        self.repair()
        shutil.rmtree(self.cache)
        run("cp", "-a", "--sparse=always", self.disk, self.cache)
        with open(self.home / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL"]
                + [str(p) for p in (self.program, self.cache, self.disk, self.control, self.mount)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_for(self._is_mounted, "the disk to be mounted")
        return self

    def _is_mounted(self):
        assert self.process.poll() is None, (self.home / "log").read_text()
        return os.path.ismount(self.mount)

    def _command(self, write_errno=0, flush_errno=0, spared=0, hold=0):
        fresh = self.home / "control.new"
        fresh.write_text(f"{write_errno} {flush_errno} {spared} {hold}\n")
        fresh.replace(self.control)

    def fail_writes(self, number=errno.EIO):
        """From now on writes fail, and what they carried is lost."""
        self._command(write_errno=number)

    def fail_flushes(self, number=errno.EIO, spared=0):
        """From now on flushes fail but for the first `spared`, and what they should have flushed is
        lost."""
        self._command(flush_errno=number, spared=spared)

    def hold_flushes(self):
        """From now on flushes wait for `repair`, `fail_writes` or `fail_flushes`."""
        self._held().unlink(missing_ok=True)
        self._command(hold=1)

    def holds_one(self):
        """Whether a flush waits."""
        return self._held().exists()

    def _held(self):
        return self.home / "control.held"

    def repair(self):
        self._command()

    def cut_power(self):
        """What was not flushed is gone, and every access fails from now on."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def serve_again(self):
        """Mounts it afresh: the kernel remembers nothing, what was flushed is there."""
        if self.process is not None:
            self.cut_power()
        run("umount", "--lazy", self.mount)
        return self.serve()

    def discard(self):
        self.repair()
        if self.process is not None:
            self.cut_power()
        try_to_run("umount", "--lazy", self.mount)
