"""A GET does not wait for an etcd that is 50 ms away: the next segment is there before the last one ends.

How long GETs take is shown (pytest -rP); it depends on what else the machine does, so asserted is far less.
"""

import os
import selectors
import time

import pytest

from harness.promise import promise
from harness.resp import encode
from harness.waiting import PATIENCE, wait_for
from rig.drawn import Drawn, histogram, percentile
from rig.node import LEFT

AWAY_S = 0.05
CLIENTS = 8
WARM_UP_S, MEASURED_S = (10, 60) if os.environ.get("ND_LONG") == "1" else (3, 5)


class Client:
    """One connection with one request on its way, always the same."""

    def __init__(self, node, *request):
        self.connection = node.connect()
        self.socket = self.connection.socket
        self._request = encode(*request)
        self.times, self.bulks = [], []  # (sent, seconds), and the replies that are bulk strings
        self._sent, self._input = 0.0, b""

    def ask(self):
        self._sent = time.monotonic()
        self.socket.send(self._request)

    def hear(self):
        """Takes what has arrived; asks again when it is a whole reply."""
        self._input += self.socket.recv(4096)
        bulk = self._input.startswith(b"$")
        if self._input.count(b"\r\n") < 1 + bulk:
            return
        assert not self._input.startswith(b"-"), self._input
        self.times.append((self._sent, time.monotonic() - self._sent))
        if bulk:
            self.bulks.append(self._input.split(b"\r\n")[1])
        self._input = b""
        self.ask()


def load(clients, seconds):
    end = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.socket, selectors.EVENT_READ, client)
            client.ask()
        while time.monotonic() < end:
            for key, _ in selector.select(timeout=0.1):
                key.data.hear()
    for client in clients:
        client.connection.close()


@pytest.mark.parametrize("strategy", ["pre_close", pytest.param("elegant_close", marks=pytest.mark.long)])
def test_a_get_does_not_wait_for_etcd(etcd, join, new_proxy, strategy):
    proxy = new_proxy(etcd[0])
    node = join("a", [proxy.url])
    node.command("HSET", "x", "type", 3, "auto_disk", strategy)
    proxy.round_trip(AWAY_S)
    warm = time.monotonic() + WARM_UP_S
    clients = [Client(node, "GET", "x") for _ in range(CLIENTS)]
    load(clients, WARM_UP_S + MEASURED_S)
    times = [took for client in clients for sent, took in client.times if sent >= warm]
    print(f"{strategy}: {len(times)} GETs by {CLIENTS} clients in {MEASURED_S} s, etcd {AWAY_S * 1000:.0f} ms away:")
    print(histogram(times))
    print(f"p50 {percentile(times, 0.5) * 1000:.2f}  p99 {percentile(times, 0.99) * 1000:.2f}  "
          f"p99.9 {percentile(times, 0.999) * 1000:.2f}  max {max(times) * 1000:.2f} ms; "
          f"segments leased: {node.cluster()['segments_leased']}")
    numbers = [int(number) for client in clients for number in client.bulks]
    promise(len(set(numbers)) == len(numbers), "a number twice")
    if strategy == "pre_close":  # The other one waits for the disk, which may be slow.
        assert percentile(times, 0.5) < AWAY_S * PATIENCE, "GETs wait for etcd"


def test_the_next_segment_comes_while_half_of_the_last_one_is_left(etcd, join):
    node = join("a", etcd)
    node.command("HSET", "x", "type", 3, "auto_disk", "pre_close")
    drawn = Drawn("x")

    def left():
        return int(node.cluster()[LEFT])

    size = wait_for(left, "the first segment")
    for _ in range(3):
        kept = size // 2 - 2
        drawn.take(node, size - kept)
        # Nobody draws, and there are numbers left.
        size = wait_for(lambda kept=kept: max(left() - kept, 0), "the next segment")
        drawn.take(node, kept)
