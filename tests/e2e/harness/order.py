"""Real-time order: a request sent after a reply was received must get a larger number."""

import threading
import time
from operator import lt

from .promise import promise
from .resp import encode


class Drawer(threading.Thread):
    """Draws from one dispenser on its own connection, in batches, and times each of them."""

    def __init__(self, server, name, batches, depth):
        super().__init__()
        self.server, self.name, self.batches, self.depth = server, name, batches, depth
        self.draws = []  # (sent_ns, received_ns, numbers)
        self.failure = None

    def run(self):
        try:
            request = encode("GET", self.name) * self.depth
            with self.server.connect() as client:
                for _ in range(self.batches):
                    sent = time.monotonic_ns()
                    client.send(request)
                    numbers = [int(client.read()) for _ in range(self.depth)]
                    self.draws.append((sent, time.monotonic_ns(), numbers))
        except Exception as error:  # Handed to the test, which fails with it.
            self.failure = error


def draw_at_once(drawers):
    for drawer in drawers:
        drawer.start()
    for drawer in drawers:
        drawer.join()
        if drawer.failure:
            raise drawer.failure


def check_order(drawers, starting=0):
    """No number twice, none left out, each connection increasing, and all in real-time order."""
    for drawer in drawers:
        numbers = [number for draw in drawer.draws for number in draw[2]]
        promise(all(map(lt, numbers, numbers[1:])), "a connection's numbers do not increase")
    draws = [draw for drawer in drawers for draw in drawer.draws]
    everything = sorted(number for draw in draws for number in draw[2])
    promise(everything == list(range(starting, starting + len(everything))), "twice, or left out")
    by_end = sorted((received, numbers[-1]) for _, received, numbers in draws)
    finished, largest = 0, starting - 1
    for sent, _, numbers in sorted(draws):
        while finished < len(by_end) and by_end[finished][0] < sent:
            largest = max(largest, by_end[finished][1])
            finished += 1
        promise(numbers[0] > largest, f"{numbers[0]} was asked for after {largest} had arrived")
