"""A small btrfs in an image file, whose subvolumes can be snapshot."""

import os
import shutil
import subprocess

_IMAGE_MIB = 114  # the least that mkfs accepts


def missing():
    """Why there can be none here, or nothing."""
    if os.geteuid() != 0:
        return "mounting needs root"
    if shutil.which("mkfs.btrfs") is None:
        return "mkfs.btrfs is not installed"
    with open("/proc/filesystems", encoding="ascii") as known:
        if not any(line.split()[-1] == "btrfs" for line in known):
            return "this kernel has no btrfs"
    return None


def _run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stderr)


class Subvolumes:
    def __init__(self, folder):
        self.mount = folder / "btrfs"
        self.mount.mkdir()
        image = folder / "image"
        with open(image, "wb") as file:
            file.truncate(_IMAGE_MIB << 20)
        _run("mkfs.btrfs", "-q", "-f", image)
        _run("mount", "-t", "btrfs", "-o", "loop", image, self.mount)

    def create(self, name):
        _run("btrfs", "-q", "subvolume", "create", self.mount / name)
        return self.mount / name

    def snapshot(self, subvolume, name):
        _run("btrfs", "-q", "subvolume", "snapshot", subvolume, self.mount / name)
        return self.mount / name

    def discard(self):
        # Lazy: a process that was just killed may hold on to it. The loop device goes with it.
        _run("umount", "--lazy", self.mount)
