"""A crowd of clients in a process of its own, each of which sends one byte of a request a second.

Usage: crowd.py PORT CONNECTIONS REQUEST. It prints "ready" when all are connected, goes on until its
input ends, lets every request begun be finished, and prints what it saw as JSON.
"""

import json
import resource
import select
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

_SLICES = 100  # of a second: each of them serves its share of the connections
_CONNECT_TIMEOUT_S = 30
_LAST_WORDS_S = 30


class _Crowd:
    def __init__(self, port, count, request):
        self.request = request
        self.place = {}  # of the next byte in the request, by descriptor
        self.sockets = {}
        self.poll = select.epoll()
        self.seen = {"connected": 0, "refused": 0, "closed": 0, "sent": 0, "answered": 0}
        for number in range(count):
            self._connect(port, number)
        self.order = list(self.sockets)

    def _connect(self, port, number):
        # Some thousands from each address, so that the ports of none run out.
        source = f"127.0.1.{1 + number // 5000}"
        try:
            one = socket.create_connection(
                ("127.0.0.1", port), _CONNECT_TIMEOUT_S, source_address=(source, 0)
            )
        except OSError:
            self.seen["refused"] += 1
            return
        one.setblocking(False)
        self.sockets[one.fileno()] = one
        self.place[one.fileno()] = 0
        self.poll.register(one, select.EPOLLIN)
        self.seen["connected"] += 1

    def trickle(self, stop):
        """One byte a second each, evenly spread over the second, until `stop` says so."""
        started, turn = time.monotonic(), 0
        while not stop():
            for descriptor in self.order[turn % _SLICES :: _SLICES]:
                self._send_byte(descriptor)
            turn += 1
            until = started + turn / _SLICES
            self._read(max(0, until - time.monotonic()))

    def finish(self):
        """Sends the rest of every request that was begun, and waits for the answers."""
        for descriptor in self.order:
            while self.place.get(descriptor):
                self._send_byte(descriptor)
        deadline = time.monotonic() + _LAST_WORDS_S
        while self.seen["answered"] < self.seen["sent"] and time.monotonic() < deadline:
            self._read(0.1)

    def _send_byte(self, descriptor):
        at = self.place.get(descriptor)
        if at is None:
            return
        try:
            self.sockets[descriptor].send(self.request[at : at + 1])
        except OSError:
            return self._lose(descriptor)
        self.place[descriptor] = (at + 1) % len(self.request)
        self.seen["sent"] += self.place[descriptor] == 0

    def _read(self, wait_s):
        for descriptor, _ in self.poll.poll(wait_s):
            try:
                data = self.sockets[descriptor].recv(1 << 16)
            except OSError:
                data = b""
            if not data:
                self._lose(descriptor)
            self.seen["answered"] += data.count(b"$")

    def _lose(self, descriptor):
        self.seen["closed"] += 1
        self.poll.unregister(descriptor)
        del self.place[descriptor]


def _main(port, count, request):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, count + 1000)), hard))
    crowd = _Crowd(port, count, request)
    print("ready", flush=True)
    crowd.trickle(lambda: select.select([sys.stdin], [], [], 0)[0])
    crowd.finish()
    print(json.dumps(crowd.seen), flush=True)


@contextmanager
def trickling(port, count, request):
    """Runs a crowd; yields a function that ends it and returns what it saw."""
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", sys.executable, __file__]
        + [str(port), str(count), request],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "ready\n", "the crowd did not come"
        yield lambda: json.loads(process.communicate()[0])
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode().decode("unicode_escape").encode())
