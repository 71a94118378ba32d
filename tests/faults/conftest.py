"""Fixtures of the fault tests: those of the end-to-end tests, disks that fail, file systems."""

import importlib.util
import sys
import tempfile
from pathlib import Path

import pytest

_END_TO_END = Path(__file__).resolve().parents[1] / "e2e"
sys.path.insert(0, str(_END_TO_END))

_spec = importlib.util.spec_from_file_location("e2e_conftest", _END_TO_END / "conftest.py")
_e2e = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_e2e)

# Taken over from there by name, which is how pytest finds them here.
pytest_configure = _e2e.pytest_configure
pytest_collection_modifyitems = _e2e.pytest_collection_modifyitems
new_server_fixture = _e2e.new_server_fixture
start_fixture = _e2e.start_fixture
chance_fixture = _e2e.chance_fixture

from harness import places  # noqa: E402
from rig import faulty_disk, file_system  # noqa: E402


@pytest.fixture(name="place")
def place_fixture():
    """A new folder, removed after whatever was mounted in it is gone."""
    folder = Path(tempfile.mkdtemp(prefix="nd-faults-", dir=places.new_folder()))
    yield folder
    places.remove(folder.parent)


@pytest.fixture(scope="session", name="disk_program")
def disk_program_fixture(tmp_path_factory):
    reason = faulty_disk.missing()
    if reason:
        pytest.skip(reason)
    program = tmp_path_factory.mktemp("faulty-disk") / "faulty_disk"
    faulty_disk.build(program)
    return program


@pytest.fixture(name="bare_disk")
def bare_disk_fixture(disk_program, place):
    disk = faulty_disk.FaultyDisk(disk_program, place)
    yield disk
    disk.discard()


@pytest.fixture(name="disk")
def disk_fixture(bare_disk, new_server):
    """A disk that is whole again before the servers of the test are ended, and outlives them."""
    yield bare_disk.serve()
    bare_disk.repair()


@pytest.fixture(name="new_file_system")
def new_file_system_fixture(place):
    """Makes file systems: of a kind, in an image, not mounted yet."""
    made = []

    def new_file_system(kind, image=None):
        reason = file_system.missing(kind)
        if reason:
            pytest.skip(reason)
        if image is None:
            image = place / f"image-{len(made)}"
            file_system.make(kind, image)
        made.append(file_system.FileSystem(kind, image, place / f"mount-{len(made)}"))
        return made[-1]

    yield new_file_system
    for one in reversed(made):
        one.discard()


class Drive:
    """A file system of a kind on a disk that fails, and a server, not started, whose data it holds."""

    def __init__(self, disk, system, server):
        self.disk, self.system, self.server = disk, system, server
        server.data = system.mount / "data"

    def plug_in_again(self):
        """After its power was cut, or it failed: only what was flushed is there."""
        if self.disk.process is not None:
            self.disk.cut_power()
        self.system.detach()
        self.disk.serve_again()
        self.system.attach()

    def lose_live_counters(self):
        """As a power cut does."""
        for path in self.server.run.iterdir():
            path.unlink()


@pytest.fixture(name="new_drive")
def new_drive_fixture(bare_disk, new_file_system, new_server):
    """Makes the drive of a test, mounted."""

    def new_drive(kind, *options):
        reason = file_system.missing(kind)
        if reason:
            pytest.skip(reason)
        file_system.make(kind, bare_disk.disk / "image")
        bare_disk.serve()
        system = new_file_system(kind, bare_disk.mount / "image").attach()
        return Drive(bare_disk, system, new_server(*options))

    yield new_drive
    bare_disk.repair()
