"""Pipelined load up to the moment when the server ends, whatever its replies, all of them recorded.

It checks what no fault may break: no number twice over all runs, each connection increasing, and
numbers after a restart larger than all before it.
"""

import selectors
import time
from operator import lt

from harness.ledger import BUDGETS, DURABLE, check_figures
from harness.promise import promise
from harness.resp import encode
from harness.waiting import TIMEOUT_S

IO_ERROR = b"-IOERR the state file cannot be written, so no number is issued and nothing is defined"
_DEPTH = 10  # cycles in flight on a connection


class _Stream:
    """One connection: cycles of requests, and all that came back."""

    def __init__(self, server):
        self.client = server.connect()
        self.client.socket.setblocking(False)
        self.unsent = b""
        self.sent = 0  # requests
        self.received = bytearray()
        self.replies = 0
        self.open = True

    def push(self, cycle, requests_a_cycle):
        missing = _DEPTH - (self.sent - self.replies) // requests_a_cycle
        if missing > 0:
            self.unsent += cycle * missing
            self.sent += missing * requests_a_cycle
        if self.unsent:
            try:
                self.unsent = self.unsent[self.client.socket.send(self.unsent) :]
            except BlockingIOError:
                pass
            except OSError:
                self.unsent = b""  # Closed; what came before is still to be read.

    def pull(self):
        """Reads what is there; returns how many replies begin in it."""
        try:
            data = self.client.socket.recv(1 << 18)
        except BlockingIOError:
            return 0
        except OSError:
            data = b""
        self.open = bool(data)
        self.received += data
        replies = data.count(b"$") + data.count(b"-IOERR")
        self.replies += replies
        return replies

    def parse(self):
        """The numbers in order, then the count of error replies; nothing else may have come."""
        whole = self.received[: self.received.rfind(b"\r\n") + 2]
        lines = bytes(whole).split(b"\r\n")[:-1]
        errors = 0
        while lines and lines[-1][:1] == b"-":
            assert lines.pop().startswith(IO_ERROR), "an error of another kind"
            errors += 1
        if len(lines) % 2:  # The last bulk string is cut after its length.
            lines.pop()
        assert all(line[:1] == b"$" for line in lines[::2]), "a number after an error"
        return lines[1::2], errors


class Witness:
    """Incrementing dispensers, one a strategy, and the highest number received of each."""

    def __init__(self, client, strategies=DURABLE):
        self.strategies = strategies
        self.highest = dict.fromkeys(strategies, -1)
        self.received = 0
        for strategy in strategies:
            assert client.command("HSET", strategy, "type", 3, "auto_disk", strategy) == 2
        self._cycle = b"".join(encode("GET", strategy) for strategy in strategies)

    def load(self, server, connections, replies, event):
        """Loads the server; calls `event` once when about `replies` have come, on every connection
        some; returns when the server has closed every connection: how many got the error reply."""
        streams = [_Stream(server) for _ in range(connections)]
        try:
            self._drive(streams, replies, event)
        finally:
            for stream in streams:
                stream.client.close()
        return self._record(streams)

    def _drive(self, streams, replies, event):
        deadline = time.monotonic() + TIMEOUT_S
        come = 0
        with selectors.DefaultSelector() as selector:
            for stream in streams:
                selector.register(stream.client.socket, selectors.EVENT_READ, stream)
                stream.push(self._cycle, len(self.strategies))
            while selector.get_map():
                assert time.monotonic() < deadline, f"{come} replies, and the server goes on"
                for key, _ in selector.select(timeout=0.1):
                    come += key.data.pull()
                    if key.data.open:
                        key.data.push(self._cycle, len(self.strategies))
                    else:
                        assert event is None, "the server closed a connection before the fault"
                        selector.unregister(key.fileobj)
                        key.data.client.close()
                if event and come >= replies and all(stream.replies for stream in streams):
                    event()
                    event = None

    def _record(self, streams):
        told = 0
        arrived = {strategy: [] for strategy in self.strategies}
        for stream in streams:
            texts, errors = stream.parse()
            told += errors > 0
            for index, strategy in enumerate(self.strategies):
                numbers = list(map(int, texts[index :: len(self.strategies)]))
                promise(all(map(lt, numbers, numbers[1:])), f"{strategy}: not increasing")
                arrived[strategy] += numbers
        for strategy, numbers in arrived.items():
            if not numbers:
                continue
            promise(len(set(numbers)) == len(numbers), f"{strategy}: a number twice in one run")
            lowest, highest = min(numbers), self.highest[strategy]
            promise(lowest > highest, f"{strategy}: {lowest} after a restart, {highest} before it")
            self.highest[strategy] = max(numbers)
            self.received += len(numbers)
        return told

    def check(self, client, exact=False):
        """After a restart: nothing to be repeated, and waste within the budget; none if `exact`."""
        for strategy, highest in self.highest.items():
            info = client.info(strategy)
            wasted = check_figures(info)
            current = int(info["current"])
            promise(current > highest, highest, info)
            promise(wasted <= (0 if exact else BUDGETS[strategy] * current), info)
