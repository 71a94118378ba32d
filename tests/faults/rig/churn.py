"""Clients that come, do one of many things, most of them rude, and go; many at a time."""

import select
import socket
import struct
import time

from harness.resp import encode
from harness.waiting import TIMEOUT_S

_AT_ONCE = 200
_RESET = struct.pack("ii", 1, 0)

# What a client sends, how it goes: by a close, a reset, or a half close; and whether it waits for the
# server's answer or end before that.
_WAYS = {
    "polite": (encode("GET", "x"), "close", True),
    "deep pipeline, reset": (encode("GET", "x") * 300, "reset", False),
    "held reply, reset": (encode("GET", "careful"), "reset", False),
    "silent": (b"", "close", False),
    "silent, reset": (b"", "reset", False),
    "request cut off": (encode("GET", "x")[:-3], "close", False),
    "request cut off, reset": (b"*3\r\n$4\r\nHSET\r\n$900000\r\n" + b"n" * 5000, "reset", False),
    "half close": (encode("GET", "careful") * 3, "half", True),
    "quits": (encode("QUIT"), "close", True),
    "malformed": (b"*1\r\n$x\r\n" + encode("GET", "x"), "close", True),
    "garbage, reset": (bytes(range(256)) * 3, "reset", False),
    "does not read, reset": (b"INFO\r\n" * 200, "reset", False),
    "transaction cut off": (b"MULTI\r\n" + encode("GET", "x") * 20, "close", True),
    "web browser": (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", "close", True),
}
WAYS = tuple(_WAYS)


class _Visit:
    def __init__(self, address, way):
        self.data, self.manner, self.waits = _WAYS[way]
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.connect_ex(address)
        self.connected = False

    def step(self, events):
        """Goes on; whether the visit is over."""
        if not self.connected:
            error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            assert error == 0, f"a connection was refused: {error}"
            self.connected = True
            self._send()
            return self._leave() if not self.waits else False
        if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            return self._leave()
        return False

    def _send(self):
        try:
            self.socket.send(self.data)
        except OSError:
            pass
        if self.manner == "half":
            self.socket.shutdown(socket.SHUT_WR)

    def _leave(self):
        if self.manner == "reset":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.socket.close()
        return True


def churn(address, count, chance):
    """`count` visits, each in a way drawn by chance. Every one of them gets its connection."""
    poll, visits, started = select.epoll(), {}, 0
    deadline = time.monotonic() + TIMEOUT_S
    while started < count or visits:
        while started < count and len(visits) < _AT_ONCE:
            visit = _Visit((address[0], address[1]), chance.choice(WAYS))
            visits[visit.socket.fileno()] = visit
            poll.register(visit.socket, select.EPOLLIN | select.EPOLLOUT)
            started += 1
        for descriptor, events in poll.poll(0.1):
            visit = visits[descriptor]
            if visit.step(events):
                del visits[descriptor]
                deadline = time.monotonic() + TIMEOUT_S
            else:
                poll.modify(descriptor, select.EPOLLIN)
        assert time.monotonic() < deadline, f"{len(visits)} visits do not end"
    poll.close()
