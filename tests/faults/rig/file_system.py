"""Small file systems of a kind, made in an image file and mounted from a loop device."""

import errno
import fcntl
import os
import shutil
import struct

from .command import run, try_to_run

# The smallest size that mkfs accepts, in MiB, and its words.
_MAKERS = {
    "ext4": (16, ("mkfs.ext4", "-q", "-F")),
    "xfs": (300, ("mkfs.xfs", "-q", "-f")),
    "btrfs": (114, ("mkfs.btrfs", "-q", "-f")),
}
KINDS = tuple(_MAKERS)

# ioctl that stops a file system at once (linux/fs.h, xfs_fs.h); what is in the log is not written.
_SHUTDOWN = 0x8004587D
_NO_LOG_FLUSH = 2


def missing(kind):
    """Why a file system of this kind cannot be made here, or nothing."""
    if os.geteuid() != 0:
        return "mounting needs root"
    if shutil.which(_MAKERS[kind][1][0]) is None:
        return f"{_MAKERS[kind][1][0]} is not installed"
    with open("/proc/filesystems", encoding="ascii") as known:
        if not any(line.split()[-1] == kind for line in known):
            return f"this kernel has no {kind}"
    if not try_to_run("losetup", "--find"):
        return "there are no loop devices"
    return None


def make(kind, image):
    mebibytes, maker = _MAKERS[kind]
    with open(image, "wb") as file:
        file.truncate(mebibytes << 20)
    run(*maker, image)


class FileSystem:
    """The file system of `image`, mounted at `mount` while it is attached."""

    def __init__(self, kind, image, mount):
        self.kind, self.image, self.mount = kind, image, mount
        self.device = None
        mount.mkdir()

    def attach(self):
        self.device = run("losetup", "--show", "--find", self.image)
        run("mount", "-t", self.kind, self.device, self.mount)
        return self

    def detach(self):
        """Also after its device has failed. Lazy: a process that was just killed may hold on to it."""
        run("umount", "--lazy", self.mount)
        run("losetup", "--detach", self.device)
        self.device = None

    def shut_down(self):
        """Every access fails from now on, as after an error that the file system cannot survive."""
        folder = os.open(self.mount, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(folder)

    def turn_read_only(self):
        """What ext4 does with errors=remount-ro when it finds its own structures damaged."""
        assert self.kind == "ext4"
        run("mount", "-o", "remount,errors=remount-ro", self.mount)
        name = os.path.basename(self.device)
        with open(f"/sys/fs/ext4/{name}/trigger_fs_error", "w", encoding="ascii") as trigger:
            trigger.write("a test")

    def fill(self):
        """Takes every block that is left."""
        with open(self.mount / "filling", "ab", buffering=0) as file:
            for size in (1 << 24, 1 << 20, 1 << 16, 1 << 12, 1 << 10):
                try:
                    while True:
                        assert file.write(b"f" * size) > 0
                        os.fsync(file.fileno())
                except OSError as error:
                    assert error.errno == errno.ENOSPC, error

    def make_room(self):
        (self.mount / "filling").unlink()
        run("sync", "--file-system", self.mount)

    def discard(self):
        try_to_run("umount", "--lazy", self.mount)
        if self.device is not None:
            try_to_run("losetup", "--detach", self.device)
