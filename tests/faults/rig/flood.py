"""Many clients that send without end and never read, driven a little at a time by the test."""

import select
import socket
import time

from harness.resp import encode

_LARGE = b"x" * 60_000

# What each client sends, over and over.
REQUESTS = {
    "INFO": b"INFO\r\n",
    "GET": b"GET flooded\r\n",
    "COMMAND": b"COMMAND\r\n",
    "large ECHO": encode("ECHO", _LARGE),
    "requests that never end": b"*1000000\r\n$900000\r\n" + b"x" * 900_000 + b"\r\n$900000\r\n",
    "transactions that never end": b"MULTI\r\n" + encode("ECHO", _LARGE) * 16,
}


class Flood:
    """`count` clients; `press` goes on sending. Use as a context."""

    def __init__(self, address, count, request):
        data = REQUESTS[request]
        self.data = data * max(1, 65_536 // len(data))
        self.sent = 0
        self.lost = 0  # clients that the server has closed
        self.poll = select.epoll()
        self.clients = {}
        for _ in range(count):
            client = socket.create_connection(address)
            client.setblocking(False)
            self.clients[client.fileno()] = client
            self.poll.register(client, select.EPOLLOUT)
        self.places = dict.fromkeys(self.clients, 0)

    def press(self, seconds):
        """Sends for a while, or until nobody takes any more."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            ready = self.poll.poll(0.1)
            if not ready:
                return
            for descriptor, _ in ready:
                self._send(descriptor)

    def _send(self, descriptor):
        at = self.places[descriptor]
        try:
            sent = self.clients[descriptor].send(memoryview(self.data)[at : at + (1 << 18)])
        except BlockingIOError:
            return
        except OSError:
            self.lost += 1
            self.poll.unregister(descriptor)
            self.clients.pop(descriptor).close()
            return
        self.places[descriptor] = (at + sent) % len(self.data)
        self.sent += sent

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for client in self.clients.values():
            client.close()
        self.poll.close()
