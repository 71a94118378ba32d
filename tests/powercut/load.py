"""Load from many connections, every reply kept: streams draw, a changer defines and deletes."""

import selectors
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from book import Definition
from harness.ledger import BUDGETS
from harness.resp import Closed, Error, Resp, encode
from machine import TIMEOUT_S

CHANGING_NAMES = 1500  # most exist at a time: more than a new state file has room for


class Style(NamedTuple):
    """A way to draw from some dispensers."""

    request: Callable[[list[str]], bytes]  # of all names, for one number of each
    lines: Callable[[int], int]  # in the reply for so many names
    each: int = 1  # consecutive numbers that one reply stands for


def _one_by_one(verb, *more):
    return lambda names: b"".join(encode(verb, name, *more) for name in names)


def _transaction(names):
    return encode("MULTI") + _one_by_one("GET")(names) + encode("EXEC")


_BLOCK = 7
STYLES = {
    "GET": Style(_one_by_one("GET"), lambda names: 2 * names),
    "INCR": Style(_one_by_one("INCR"), lambda names: names),
    "INCRBY": Style(_one_by_one("INCRBY", _BLOCK), lambda names: names, _BLOCK),
    "MGET": Style(lambda names: encode("MGET", *names), lambda names: 1 + 2 * names),
    "EXEC": Style(_transaction, lambda names: 1 + names + 1 + 2 * names),
}


class Stream:
    """One connection that draws from `dispensers` in turn, `depth` rounds ahead of the replies.

    What arrives is kept as bytes and taken apart when the power is gone."""

    def __init__(self, address, style, dispensers, depth):
        self.socket = Resp(address).socket
        self.socket.setblocking(False)
        self.dispensers, self.depth, self._each = dispensers, depth, style.each
        self._round = style.request([dispenser.name for dispenser in dispensers])
        self._lines_a_round = style.lines(len(dispensers))
        self._unsent = b""
        self._rounds = self._lines = 0
        self._received = bytearray()
        self.open = True

    @property
    def drained(self):
        return self._lines == self._rounds * self._lines_a_round

    def push(self, more):
        """Sends what is left and, where `more`, what keeps the pipeline full."""
        missing = self.depth - self._rounds + self._lines // self._lines_a_round
        if more and missing > 0:
            self._unsent += self._round * missing
            self._rounds += missing
        try:
            if self._unsent:
                self._unsent = self._unsent[self.socket.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent = b""  # What came before the end is still to be read.

    def pull(self):
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.open = bool(data)
        self._received += data
        self._lines += data.count(b"\n")

    def record(self, findings):
        """Enters all that arrived into the dispensers' books."""
        self.socket.close()
        whole = bytes(self._received[: self._received.rfind(b"\n") + 1])
        lines = whole.split(b"\r\n")[:-1]
        replies = [line for line in lines if line[:1] not in (b"$", b"*", b"+")]
        for place, dispenser in enumerate(self.dispensers):
            dispenser.asked += self._rounds * self._each
            texts = replies[place :: len(self.dispensers)]
            errors = [text for text in texts if text.startswith(b"-")]
            if errors:
                findings.note(dispenser, f"{len(errors)} error replies, {errors[0].decode()}")
            dispenser.record([text for text in texts if not text.startswith(b"-")], self._each)


class Changer(threading.Thread):
    """Defines, switches, draws from and deletes many dispensers, in pipelined batches, until the
    connection breaks or `stopping` is set."""

    def __init__(self, address, dispensers, switching, random, findings):
        super().__init__()
        self.stopping = threading.Event()
        self._client = Resp(address)
        self._dispensers, self._switching = dispensers, switching
        self._random, self._findings = random, findings
        self.failure = None

    def run(self):
        try:
            with self._client:
                while not self.stopping.is_set():
                    self._batch()
        except (Closed, OSError):
            pass  # The power is gone.
        except Exception as failure:  # noqa: BLE001 - told to the main thread
            self.failure = failure

    def _batch(self):
        choose = self._random.randrange
        chosen = self._random.sample(self._dispensers, choose(1, 48))
        if choose(4) == 0:
            chosen.append(self._random.choice(self._switching))
        sent = [
            (dispenser, request) for dispenser in chosen for request in self._requests(dispenser)
        ]
        self._client.send(b"".join(encode(*request) for _, request in sent))
        for dispenser, request in sent:
            self._take(dispenser, request, self._client.read())

    def _requests(self, dispenser):
        """One change, or a few draws; never both, so that what a reply belongs to is clear."""
        old = dispenser.acknowledged
        dice = self._random.random()
        if old is None:
            dispenser.send(self._new_definition())
            return [("HSET", dispenser.name, *dispenser.sent.fields())]
        if dispenser in self._switching or dice < 0.2:
            dispenser.send(old._replace(strategy=self._random.choice(tuple(BUDGETS))))
            return [("HSET", dispenser.name, "auto_disk", dispenser.sent.strategy)]
        if dice < 0.5:
            dispenser.send(None)
            return [("DEL", dispenser.name)]
        draws = self._random.randrange(1, 30)
        dispenser.asked += draws
        return [("GET", dispenser.name)] * draws

    def _new_definition(self):
        choose = self._random.randrange
        strategy = self._random.choice(tuple(BUDGETS))
        kind = self._random.choice((1, 2, 2, 3, 3))
        if kind == 1:
            return Definition(1, choose(1, 19), 0, 1, strategy)
        return Definition(kind, 9 if kind == 2 else 0, choose(10_000), choose(1, 10), strategy)

    def _take(self, dispenser, request, reply):
        expected = {"HSET": (len(request) - 2) // 2, "DEL": 1}.get(request[0])
        if isinstance(reply, Error) or (expected is not None and reply != expected):
            self._findings.note(dispenser, f"{request} is answered {reply!r}")
        elif expected is None:
            dispenser.record([reply])
        else:
            dispenser.acknowledge()


class Load:
    """All connections of one boot."""

    def __init__(self, subject, address, random):
        self._streams = [
            Stream(
                address,
                STYLES[random.choice(subject.styles)],
                dispensers,
                random.choice((1, 4, 16)),
            )
            for dispensers in subject.groups(random)
        ]
        self._changer = subject.changer(address, random)
        self._findings = subject.findings

    def run(self, seconds, idle_s, cut):
        """Loads for `seconds`; where `idle_s` is not 0, lets every reply arrive and then waits so
        long; calls `cut`; then reads what had left the server before."""
        with selectors.DefaultSelector() as selector:
            for stream in self._streams:
                selector.register(stream.socket, selectors.EVENT_READ, stream)
            if self._changer:
                self._changer.start()
            self._turn(selector, seconds, more=True, until=lambda: False)
            if idle_s:
                self._drain(selector)
                time.sleep(idle_s)
            elif not self._all_open():
                self._findings.wrong.append("the server closed a connection under load")
            cut()
            self._turn(selector, TIMEOUT_S, False, lambda: not selector.get_map())
        if self._changer:
            self._changer.join(TIMEOUT_S)
            if self._changer.failure or self._changer.is_alive():
                raise self._changer.failure or AssertionError("a connection outlived the power")
        for stream in self._streams:
            stream.record(self._findings)

    def _all_open(self):
        changing = self._changer is None or self._changer.is_alive()
        return changing and all(stream.open for stream in self._streams)

    def _drain(self, selector):
        if self._changer:
            self._changer.stopping.set()
        drained = self._turn(
            selector, TIMEOUT_S, False, lambda: all(stream.drained for stream in self._streams)
        )
        if self._changer:
            self._changer.join(TIMEOUT_S)
        assert drained, f"no reply within {TIMEOUT_S} s"

    @staticmethod
    def _turn(selector, seconds, more, until):
        """Sends and receives for `seconds`, or until `until()`; returns whether it got there."""
        deadline = time.monotonic() + seconds
        for key in list(selector.get_map().values()):
            key.data.push(more)
        while not until():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            for key, _ in selector.select(timeout=min(left, 0.05)):
                stream = key.data
                stream.pull()
                if stream.open:
                    stream.push(more)
                else:
                    selector.unregister(key.fileobj)
        return True
