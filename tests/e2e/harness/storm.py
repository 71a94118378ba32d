"""Pipelined load that a signal cuts off at a chosen moment, with every reply recorded and checked.

Built for speed: what arrives is kept as bytes, counted roughly while it arrives, and taken apart
only after the server is gone. All requests are GETs, in one fixed cycle over all dispensers, so the
place of a reply in the stream says whose number it is.
"""

import selectors
import signal
import time
from operator import lt

from .ledger import check_figures
from .promise import promise
from .resp import encode
from .waiting import TIMEOUT_S

_DEPTH = 10  # cycles in flight on a connection
_STARTING, _STEP, _LENGTH = 1_000, 3, 12


class _Dispenser:
    def __init__(self, name, strategy, kind):
        self.name, self.strategy, self.kind = name, strategy, kind
        self.forget()

    def forget(self):
        self.highest = _STARTING - _STEP  # of all numbers received
        self.received = 0
        self.asked = 0


class _Stream:
    """One connection: what was sent, in cycles, and all that came back."""

    def __init__(self, server):
        self.client = server.connect()
        self.client.socket.setblocking(False)
        self.unsent = b""
        self.cycles_sent = 0
        self.received = bytearray()
        self.lines = 0
        self.open = True

    def push(self, cycle, lines_a_cycle):
        """Keeps the pipeline full."""
        answered = self.lines // lines_a_cycle
        missing = _DEPTH - (self.cycles_sent - answered)
        if missing > 0:
            self.unsent += cycle * missing
            self.cycles_sent += missing
        if self.unsent:
            try:
                self.unsent = self.unsent[self.client.socket.send(self.unsent) :]
            except BlockingIOError:
                pass
            except OSError:
                self.unsent = (
                    b""  # Closed by the other side; what it sent before is still to be read.
                )

    def pull(self):
        """Reads what is there; returns the number of line ends in it."""
        try:
            data = self.client.socket.recv(1 << 18)
        except BlockingIOError:
            return 0
        except OSError:
            data = b""
        if not data:
            self.open = False
        self.received += data
        lines = data.count(b"\n")
        self.lines += lines
        return lines


class Storm:
    """Dispensers of types 2 and 3 with each of the strategies, and all that came of them."""

    def __init__(self, client, strategies):
        self.dispensers = [
            _Dispenser(f"{strategy}-{kind}", strategy, kind)
            for strategy in strategies
            for kind in (2, 3)
        ]
        for dispenser in self.dispensers:
            length = ("length", _LENGTH) if dispenser.kind == 2 else ()
            fields = ("type", dispenser.kind, *length, "starting", _STARTING, "step", _STEP)
            reply = client.command("HSET", dispenser.name, *fields, "auto_disk", dispenser.strategy)
            assert isinstance(reply, int), reply
        self._cycle = b"".join(encode("GET", dispenser.name) for dispenser in self.dispensers)

    def rage(self, server, connections, replies, end=signal.SIGKILL):
        """Loads the server until about `replies` have arrived, ends it by a signal, and records all
        that reached the clients. Fails unless the server ends as it should."""
        streams = [_Stream(server) for _ in range(connections)]
        try:
            self._load(streams, replies, server, end)
            if end == signal.SIGKILL:
                server.kill9()
            else:
                ended = server.wait()
                assert ended.status == 0, ended
        finally:
            for stream in streams:
                stream.client.close()
        self._record(streams)

    def _load(self, streams, replies, server, end):
        lines_a_cycle = 2 * len(self.dispensers)
        lines, running = 0, True
        deadline = time.monotonic() + TIMEOUT_S
        with selectors.DefaultSelector() as selector:
            for stream in streams:
                selector.register(stream.client.socket, selectors.EVENT_READ, stream)
                stream.push(self._cycle, lines_a_cycle)
            while selector.get_map():
                assert (
                    time.monotonic() < deadline
                ), "the load or the end of the server takes too long"
                for key, _ in selector.select(timeout=0.1):
                    stream = key.data
                    lines += stream.pull()
                    if not stream.open:
                        assert not running, "the server closed a connection under load"
                        selector.unregister(key.fileobj)
                    elif running:
                        stream.push(self._cycle, lines_a_cycle)
                if running and lines >= 2 * replies:
                    running = False
                    server.process.send_signal(end)

    def _record(self, streams):
        """Takes the streams apart: increasing on each connection, no number twice over all."""
        count = len(self.dispensers)
        arrived = [[] for _ in self.dispensers]
        for stream in streams:
            whole = stream.received[: stream.received.rfind(b"\r\n") + 2]
            lines = bytes(whole).split(b"\r\n")[:-1]
            if len(lines) % 2:  # The last bulk string is cut after its length.
                lines.pop()
            assert all(line[:1] == b"$" for line in lines[::2]), "an error reply under load"
            for index, dispenser in enumerate(self.dispensers):
                texts = lines[2 * index + 1 :: 2 * count]
                if dispenser.kind == 2:
                    assert all(len(text) == _LENGTH for text in texts), dispenser.name
                numbers = list(map(int, texts))
                promise(all(map(lt, numbers, numbers[1:])), f"{dispenser.name}: not increasing")
                arrived[index] += numbers
                dispenser.asked += stream.cycles_sent
        for dispenser, numbers in zip(self.dispensers, arrived, strict=True):
            if not numbers:
                continue
            promise(len(set(numbers)) == len(numbers), f"{dispenser.name}: a number twice in one run")
            lowest = min(numbers)
            promise(
                lowest > dispenser.highest,
                f"{dispenser.name}: {lowest} after a restart, {dispenser.highest} before it",
            )
            dispenser.highest = max(numbers)
            dispenser.received += len(numbers)

    def check(self, client):
        """After a restart with live counters: nothing wasted, nothing to be repeated."""
        for dispenser in self.dispensers:
            info = client.info(dispenser.name)
            promise(check_figures(info) == 0, info)
            if dispenser.strategy == "memory":
                assert int(info["current"]) == _STARTING, info
                dispenser.forget()
                continue
            promise(int(info["current"]) > dispenser.highest, dispenser.highest, info)
            # Between what was received and what was asked for: not one number went another way.
            received, asked = dispenser.received, dispenser.asked
            promise(received <= int(info["generated"]) <= asked, received, asked, info)

    def check_all_arrived(self, client, strategies):
        """After a clean stop: every number issued was received."""
        for dispenser in self.dispensers:
            if dispenser.strategy in strategies:
                info = client.info(dispenser.name)
                promise(int(info["generated"]) == dispenser.received, dispenser.received, info)
