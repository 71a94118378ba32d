"""A hundred thousand clients that come and go: memory and descriptors stay flat, nothing is lost.

ND_SEED repeats a run, ND_VISITS sets the number: 20,000 by default, 100,000 with ND_LONG=1.
"""

import os
import re
from pathlib import Path

import pytest

from harness import places
from harness.waiting import wait_for
from rig.churn import churn

VISITS = int(os.environ.get("ND_VISITS", "20000"))
LONG_VISITS = int(os.environ.get("ND_VISITS", "100000"))
SLACK_KIB = 2048  # an allocator's, over all visits


def descriptors(server):
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def only_one_is_connected(client):
    return b"connected_clients:1\r\n" in client.command("INFO", "clients")


def come_and_go(start, threads, visits, chance):
    server = start("--threads", threads)
    with server.connect() as client:
        client.command("HSET", "x", "type", 3, "auto_disk", "pre_close")
        client.command("HSET", "careful", "type", 3, "auto_disk", "elegant_close")
        wait_for(lambda: only_one_is_connected(client), "the probe of the start to be gone")
        before = descriptors(server)
        # The first fifth brings every pool to its size.
        churn(server.address, visits // 5, chance)
        wait_for(lambda: only_one_is_connected(client), "all visitors to be gone")
        warm_kib = server.memory_kib()
        churn(server.address, visits - visits // 5, chance)
        wait_for(lambda: only_one_is_connected(client), "all visitors to be gone")
        growth_kib = server.memory_kib() - warm_kib
        print(f"{visits} visits: {warm_kib} KiB after the first fifth, {growth_kib:+} KiB since")
        assert growth_kib < SLACK_KIB * places.memory_factor()
        assert descriptors(server) <= before
        numbers = [int(client.command("GET", "careful")) for _ in range(10)]
        assert numbers == list(range(numbers[0], numbers[0] + 10))
    ended = server.stop()
    assert ended.status == 0, ended
    noise = re.findall(r"(?m)^.*(?:warning|error): .*$", ended.stderr)
    assert not noise, "clients that come and go are no news for the log"


@pytest.mark.parametrize("threads", [1, 2])
def test_clients_that_come_and_go_leave_nothing_behind(start, threads, chance):
    come_and_go(start, threads, VISITS, chance)


@pytest.mark.long
@pytest.mark.parametrize("threads", [1, 2])
def test_a_hundred_thousand_clients_leave_nothing_behind(start, threads, chance):
    come_and_go(start, threads, LONG_VISITS, chance)
