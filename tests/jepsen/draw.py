#!/usr/bin/python3
"""Clients of one node: draw from its dispensers in every way, through restarts and pauses, and record everything.

draw.py ADDRESS PORT RECORD SEED NAME:STEP...      ends at SIGTERM
"""

import random
import signal
import sys
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from harness.resp import Closed, Error, Resp, encode  # noqa: E402
from history import Writer  # noqa: E402

# A request that a paused node has taken is answered when it wakes: some connections wait for that.
PATIENCES_S = (2, 2, 60)
over = threading.Event()


class Drawer(threading.Thread):
    def __init__(self, address, writer, number, seed, steps):
        super().__init__()
        self.address, self.writer, self.steps = address, writer, steps
        self.patience_s = PATIENCES_S[number % len(PATIENCES_S)]
        self.chance = random.Random(seed * 100 + number)
        self.number, self.tries, self.client = number, 0, None
        self.names = list(steps)
        self.was_refused = False

    def run(self):
        while not over.is_set():
            try:
                if self.client is None:
                    self.tries += 1
                    self.client = Resp(self.address, timeout_s=self.patience_s)
                self.was_refused = False
                self.draw()
                over.wait(self.chance.uniform(0.001, 0.1 if self.was_refused else 0.02))
            except (OSError, Closed):
                if self.client is not None:
                    self.client.close()
                    self.client = None
                over.wait(0.05)

    def draw(self):
        way = self.chance.random()
        if way < 0.5:
            name = self.chance.choice(self.names)
            count = 1 if way < 0.15 else self.chance.randint(2, 120)
            self.ask([("GET", name)] * count, [(name, 1)] * count)
        elif way < 0.65:
            asked = [self.chance.choice(self.names) for _ in range(self.chance.randint(2, 60))]
            self.ask([("GET", name) for name in asked], [(name, 1) for name in asked])
        elif way < 0.85:
            name, size = self.chance.choice(self.names), self.chance.choice((1, 10, 100, 400))
            self.ask([("INCRBY", name, size)], [(name, size)])
        else:
            self.draw_many(self.chance.sample(self.names, self.chance.randint(2, 6)))

    def ask(self, requests, wanted):
        """Sends all, and records what came even where not all of it did."""
        data = b"".join(encode(*request) for request in requests)
        connection = f"{self.number}.{self.tries}"
        asked, got = time.monotonic_ns(), []
        try:
            self.client.send(data)
            for _ in requests:
                got.append(self.client.read())
        finally:
            self.record(asked, time.monotonic_ns(), connection, wanted, got)

    def record(self, asked, done, connection, wanted, got):
        numbers, lost = {}, {}
        for index, (name, size) in enumerate(wanted):
            if index >= len(got):
                lost[name] = lost.get(name, 0) + size
            elif isinstance(got[index], Error):
                self.was_refused = True
                self.writer.refusal(asked, done, connection, name, got[index].decode())
            elif size > 1:
                first = int(got[index]) - (size - 1) * self.steps[name]
                self.writer.block(asked, done, connection, name, first, size)
            else:
                numbers.setdefault(name, []).append(int(got[index]))
        for name, list_ in numbers.items():
            self.writer.replies(asked, done, connection, name, list_, self.steps[name])
        for name, count in lost.items():
            self.writer.lost(asked, done, connection, name, count)

    def draw_many(self, names):
        asked, connection, reply = time.monotonic_ns(), f"{self.number}.{self.tries}", None
        try:
            reply = self.client.command("MGET", *names)
        finally:
            done = time.monotonic_ns()
            for index, name in enumerate(names):
                if reply is None:
                    self.writer.lost(asked, done, connection, name, 1)
                elif isinstance(reply, Error):
                    # Of an MGET that is refused some numbers may be gone.
                    self.writer.lost(asked, done, connection, name, 1)
                elif reply[index] is not None and not isinstance(reply[index], Error):
                    self.writer.replies(asked, done, connection, name, [int(reply[index])], 1)


def main():
    address, port, record, seed, *names = sys.argv[1:]
    steps = {name: int(step) for name, step in (text.split(":") for text in names)}
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    writer = Writer(record)
    drawers = [Drawer((address, int(port)), writer, n, int(seed), steps) for n in range(3)]
    for drawer in drawers:
        drawer.daemon = True
        drawer.start()
    while not over.wait(0.5):
        pass
    deadline = time.monotonic() + 3
    for drawer in drawers:
        drawer.join(max(0, deadline - time.monotonic()))


main()
