"""Ten thousand clients that send one byte a second; how long others wait is measured.

ND_SECONDS sets how long: 3 by default, 60 with ND_LONG=1. The figures are printed (pytest -rP) and
depend on what else the machine does; asserted is only that everybody is served.
"""

import os
import resource
import time

import pytest

from harness import places
from rig import crowd

CLIENTS = 10_000
SECONDS = float(os.environ.get("ND_SECONDS", "3"))
LONG_SECONDS = float(os.environ.get("ND_SECONDS", "60"))


def quantiles(latencies_s):
    ordered = sorted(latencies_s)
    at = {share: ordered[int(share * (len(ordered) - 1))] * 1000 for share in (0.5, 0.99, 0.999)}
    return " ".join(f"p{100 * share:g} {value:.3f} ms" for share, value in at.items())


def measure(client, name, seconds):
    """GETs one after the other; returns how long each took. Every one is answered, in order."""
    latencies, deadline = [], time.monotonic() + seconds
    last = -1
    while time.monotonic() < deadline:
        sent = time.monotonic()
        number = int(client.command("GET", name))
        latencies.append(time.monotonic() - sent)
        assert number > last
        last = number
    return latencies


def beside_ten_thousand(start, threads, seconds):
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < CLIENTS + 1000:
        pytest.skip("the hard limit of descriptors is too low")
    server = start("--threads", threads, "--maxclients", CLIENTS + 100)
    with server.connect() as client:
        for name in ("measured", "trickled"):
            client.command("HSET", name, "type", 3, "auto_disk", "pre_close")
        alone = measure(client, "measured", min(2, seconds))
        before_kib = server.memory_kib()
        with crowd.trickling(server.port, CLIENTS, "GET trickled\\r\\n") as end:
            beside = measure(client, "measured", seconds)
            growth_kib = server.memory_kib() - before_kib
            seen = end()
        print(f"alone: {len(alone)} requests, {quantiles(alone)}")
        print(f"beside {CLIENTS}: {len(beside)} requests, {quantiles(beside)}; {seen}")
        print(f"memory: {growth_kib / CLIENTS:.2f} KiB a client")
        assert seen["connected"] == CLIENTS and seen["refused"] == seen["closed"] == 0, seen
        assert seen["answered"] == seen["sent"] >= CLIENTS, seen
        assert int(client.info("trickled")["generated"]) == seen["answered"]
        assert growth_kib < 8 * CLIENTS * places.memory_factor()


def test_beside_ten_thousand_trickling_clients_others_are_served(start):
    beside_ten_thousand(start, 1, SECONDS)


@pytest.mark.long
@pytest.mark.parametrize("threads", [1, 2])
def test_beside_ten_thousand_trickling_clients_others_are_served_for_long(start, threads):
    beside_ten_thousand(start, threads, LONG_SECONDS)
