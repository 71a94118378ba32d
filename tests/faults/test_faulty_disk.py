"""The disk that the other tests rely on really loses what was not flushed."""

import errno
import os

import pytest


def write(path, data, flush):
    with open(path, "r+b" if path.exists() else "wb", buffering=0) as file:
        file.write(data)
        if flush:
            os.fdatasync(file.fileno())


def test_a_power_cut_keeps_what_was_flushed_and_loses_the_rest(disk):
    path = disk.mount / "file"
    write(path, b"flushed", flush=True)
    write(path, b"written", flush=False)
    assert path.read_bytes() == b"written"
    disk.serve_again()
    assert path.read_bytes() == b"flushed"


@pytest.mark.parametrize("fault", ["fail_writes", "fail_flushes"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_what_a_failed_flush_lost_is_not_brought_back_by_the_next(disk, fault, number):
    path = disk.mount / "file"
    write(path, b"flushed", flush=True)
    getattr(disk, fault)(number)
    with pytest.raises(OSError) as failure:
        write(path, b"written", flush=True)
    assert failure.value.errno == number
    disk.repair()
    with open(path, "r+b", buffering=0) as file:
        os.fdatasync(file.fileno())
    disk.serve_again()
    assert path.read_bytes() == b"flushed"
