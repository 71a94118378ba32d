"""A virtual machine whose disk has a volatile write cache, and whose power can be cut.

The disk is an image behind nbdkit's cache filter: what the guest writes stays in that process until
the guest flushes. SIGKILL of qemu and nbdkit is the power cut: memory, tmpfs and unflushed writes
are gone.
"""

import os
import platform
import shutil
import socket
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TIMEOUT_S = 120  # for whatever takes seconds when nothing is wrong
DISK_BYTES = 512 << 20

PACKAGES = {  # what is needed: the package that has it
    "qemu-system-x86_64": "qemu-system-x86",
    "nbdkit": "nbdkit",
    "mkfs.ext4": "e2fsprogs",
    "mkfs.xfs": "xfsprogs",
    "busybox": "busybox-static",
    "cpio": "cpio",
}
KERNEL_PACKAGE = "linux-image-cloud-amd64"
# In this order; below kernel/ in the package's modules.
MODULES = (
    "drivers/virtio/virtio_ring.ko",
    "drivers/virtio/virtio.ko",
    "drivers/virtio/virtio_pci_legacy_dev.ko",
    "drivers/virtio/virtio_pci_modern_dev.ko",
    "drivers/virtio/virtio_pci.ko",
    "drivers/block/virtio_blk.ko",
    "net/core/failover.ko",
    "drivers/net/net_failover.ko",
    "drivers/net/virtio_net.ko",
)
XFS_MODULES = ("lib/libcrc32c.ko", "fs/xfs/xfs.ko")


class CannotPrepare(Exception):
    """This machine cannot run the test; the text says why."""


class DidNotServe(Exception):
    """The guest or the server in it did not come up."""


def _run(*command, **options):
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        detail = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        raise CannotPrepare(
            f"{' '.join(map(str, command))}: {detail[-1] if detail else error}"
        ) from None


def _find(tool):
    return shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def _is_static(path):
    return subprocess.run(["ldd", path], capture_output=True, check=False).returncode != 0


def install_packages():
    """Installs what is missing, as root; else says what to install."""
    if platform.machine() != "x86_64":
        raise CannotPrepare("boots a kernel for x86_64 only")
    missing = [package for tool, package in PACKAGES.items() if not _find(tool)]
    if _find("busybox") and not _is_static(_find("busybox")):
        missing.append(PACKAGES["busybox"])
    if not missing:
        return
    if os.geteuid() != 0 or not _find("apt-get"):
        raise CannotPrepare(f"needs these packages: {' '.join(missing)}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing)
    try:
        _run(*install, env=quiet)
    except CannotPrepare:
        _run("apt-get", "update", "-qq")
        _run(*install, env=quiet)


def fetch_kernel(cache):
    """Debian's cloud kernel and its modules, unpacked below `cache`; returns (kernel, modules)."""
    root = cache / "kernel"
    if not root.exists():
        depends = _run("apt-cache", "depends", "--important", KERNEL_PACKAGE)
        names = [
            line.split()[-1] for line in depends.splitlines() if "Depends: linux-image" in line
        ]
        if not names:
            raise CannotPrepare(f"no package {KERNEL_PACKAGE}: is `apt-get update` needed?")
        fresh = cache / "kernel.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        _run("apt-get", "-o", "APT::Sandbox::User=root", "download", names[0], cwd=fresh)
        (package,) = fresh.glob("*.deb")
        _run("dpkg", "-x", package, fresh)
        package.unlink()
        fresh.rename(root)
    (kernel,) = root.glob("boot/vmlinuz-*")
    (modules,) = root.glob("lib/modules/*/kernel")
    return kernel, modules


def _libraries(binary):
    """Paths of the libraries that the dynamic linker would load."""
    words = _run("ldd", binary).split()
    return [Path(word) for word in words if word.startswith("/")]


def build_initramfs(target, modules, binary, start):
    """What the guest boots: busybox, modules, the server with its libraries, and `start`, the shell
    command that runs it as /bin/<its name>."""
    tree = target.with_suffix(".tree")
    shutil.rmtree(tree, ignore_errors=True)
    for folder in ("bin", "dev", "proc", "sys", "run", "data", "modules"):
        (tree / folder).mkdir(parents=True)
    shutil.copy(_find("busybox"), tree / "bin/busybox")
    shutil.copy(binary, tree / "bin" / Path(binary).name)
    for library in _libraries(binary):
        place = tree / library.relative_to("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, place)
    for module in (*MODULES, *XFS_MODULES):
        shutil.copy(modules / module, tree / "modules")
    (tree / "modules/order").write_text("\n".join(Path(module).name for module in MODULES) + "\n")
    (tree / "server").write_text(f"#!/bin/sh\nexec {start}\n")
    shutil.copy(HERE / "guest_init", tree / "init")
    for script in ("init", "server"):
        (tree / script).chmod(0o755)
    files = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    # Not compressed: the emulated processor is slower than the copy.
    _run("cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0", "-O", target, cwd=tree, input=files)
    shutil.rmtree(tree)


def make_disk(image, file_system):
    with open(image, "wb") as file:
        file.truncate(DISK_BYTES)
    quiet = {"ext4": ("-q", "-F"), "xfs": ("-q", "-f")}[file_system]
    _run(_find(f"mkfs.{file_system}"), *quiet, image)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(condition, what):
    """Polls until `condition()` is true."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise DidNotServe(f"waited {TIMEOUT_S} s for {what}")
        time.sleep(0.01)


class Machine:
    """One boot at a time on one disk image. Ends with this process."""

    # Dies with the process that started it, even when that is killed.
    _LEASH = ("setpriv", "--pdeathsig", "KILL")

    def __init__(self, folder, kernel, initramfs, image, file_system):
        self.folder, self.kernel, self.initramfs = folder, kernel, initramfs
        self.image, self.file_system = image, file_system
        self.address = None
        self.boots = 0
        self._disk = self._guest = None

    @property
    def console_path(self):
        return self.folder / f"console.{self.boots}"

    def console(self):
        return self.console_path.read_text(errors="replace")

    def power_on(self, threads):
        self.boots += 1
        self.address = ("127.0.0.1", free_port())
        self._plug_in_disk()
        words = f"console=ttyS0 quiet panic=-1 FS={self.file_system} THREADS={threads}"
        socket_path = self.folder / "disk"
        drive = f"file=nbd+unix:///?socket={socket_path},format=raw,if=none,id=disk,cache=writeback"
        forward = f"tcp:{self.address[0]}:{self.address[1]}-:6380"
        self._guest = self._spawn(
            self.console_path,
            *("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-smp", "2", "-m", "256"),
            *("-display", "none", "-nodefaults", "-no-reboot", "-serial", "stdio"),
            *("-kernel", self.kernel, "-initrd", self.initramfs, "-append", words),
            *("-drive", drive, "-device", "virtio-blk-pci,drive=disk"),
            *("-netdev", f"user,id=net,restrict=on,hostfwd={forward}"),
            *("-device", "virtio-net-pci,netdev=net"),
        )

    def _plug_in_disk(self):
        ready, socket_path = self.folder / "disk.pid", self.folder / "disk"
        for leftover in (ready, socket_path):
            leftover.unlink(missing_ok=True)
        self._disk = self._spawn(
            self.folder / "disk.log",
            *("nbdkit", "-f", "-U", socket_path, "-P", ready, "--filter=cache", "file", self.image),
            # Blocks of the guest's size: one that is written through takes no neighbour along.
            *("cache=writeback", "cache-min-block-size=4K"),
        )
        wait_for(lambda: ready.exists() or self._disk.poll() is not None, "nbdkit")

    def _spawn(self, log_path, *command):
        with open(log_path, "wb") as log:
            return subprocess.Popen(
                [*self._LEASH, *command],
                env={**os.environ, "TMPDIR": str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def wait_for_console(self, text):
        """Waits until the guest has written `text`."""

        def written():
            console = self.console()
            if "powercut: server ended" in console or self._guest.poll() is not None:
                raise DidNotServe("the server or the guest has ended")
            return text in console

        wait_for(written, f"'{text}' on the console")

    def cut_power(self):
        for process in (self._guest, self._disk):
            if process is not None:
                process.kill()
        for process in (self._guest, self._disk):
            if process is not None:
                process.wait()
        self._guest = self._disk = None
