"""A raw client of the Redis protocol: what it sends and what it gets, byte by byte."""

import socket
import ssl
import struct
import threading

from .waiting import TIMEOUT_S

TURN_BYTES = 1 << 16  # of requests, before their replies are read


class Closed(Exception):
    """The server closed the connection."""


class Status(bytes):
    """A simple string, `+OK`."""


class Error(bytes):
    """An error reply, without its `-`."""


class Verbatim(bytes):
    """A verbatim string of RESP3, with its three-letter format in front: `txt:...`."""


def as_bytes(argument):
    return argument if isinstance(argument, bytes) else str(argument).encode()


def encode(*arguments):
    """One request as a RESP array of bulk strings."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in map(as_bytes, arguments):
        parts.append(b"$%d\r\n%b\r\n" % (len(argument), argument))
    return b"".join(parts)


class Resp:
    """One connection. Not for use by several threads at once."""

    def __init__(self, address, timeout_s=TIMEOUT_S, source=None, tls=None):
        """`tls`: the ssl.SSLContext of a TLS connection."""
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self.socket.settimeout(timeout_s)
            if source:
                self.socket.bind((source, 0))
            self.socket.connect(address)
            if family == socket.AF_INET:
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls:
                self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        except OSError:
            self.socket.close()
            raise
        self._input = self.socket.makefile("rb", buffering=1 << 16)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._input.close()
        self.socket.close()

    def reset(self):
        """Closes by RST, as many clients do."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def send(self, data):
        self.socket.sendall(data)

    def command(self, *arguments):
        """Sends one request and returns its reply; an error reply is a value of type Error."""
        self.send(encode(*arguments))
        return self.read()

    def inline(self, line):
        self.send(as_bytes(line) + b"\r\n")
        return self.read()

    def pipeline(self, requests):
        """Sends all requests without waiting, while reading; returns all replies."""
        if isinstance(self.socket, ssl.SSLSocket):
            return self._pipeline_in_turns(requests)
        data = b"".join(encode(*request) for request in requests)
        sender = threading.Thread(target=self.send_quietly, args=(data,))
        sender.start()
        try:
            return [self.read() for _ in requests]
        finally:
            sender.join()

    def _pipeline_in_turns(self, requests):
        """The same by one thread: two may not use one TLS socket at once, reading then sees an end that is none."""
        replies = []
        while len(replies) < len(requests):
            turn, count = b"", len(replies)
            while len(turn) < TURN_BYTES and count < len(requests):
                turn += encode(*requests[count])
                count += 1
            self.send(turn)
            replies += [self.read() for _ in range(count - len(replies))]
        return replies

    def send_quietly(self, data):
        """Sends to a server that may close at any moment; reading shows whether it did."""
        try:
            self.send(data)
        except OSError:
            pass

    def read(self):
        """The next reply."""
        line = self._line()
        kind, text = line[:1], line[1:]
        if kind in b"+-(,":
            return {b"+": Status, b"-": Error, b"(": int, b",": float}[kind](text)
        if kind == b":":
            return int(text)
        if kind == b"_":
            return None
        if kind == b"#":
            return text == b"t"
        if kind in (b"$", b"="):
            return self._bulk(int(text), Verbatim if kind == b"=" else bytes)
        if kind in (b"*", b"~", b">"):
            return None if text == b"-1" else [self.read() for _ in range(int(text))]
        if kind == b"%":
            return {self.read(): self.read() for _ in range(int(text))}
        raise AssertionError(f"not a reply: {line!r}")

    def read_to_end(self):
        """Everything that still comes, as bytes, until the server closes."""
        try:
            return self._input.read()
        except ConnectionResetError:
            return b""

    def is_closed(self):
        """Waits for the server to close; fails if it answers instead."""
        rest = self.read_to_end()
        assert rest == b"", f"expected the end of the connection, got {rest!r}"
        return True

    def info(self, name):
        """INFO <name> as a dictionary of strings, in the order of the lines."""
        reply = self.command("INFO", name)
        assert isinstance(reply, bytes) and not isinstance(reply, Error), reply
        lines = reply.decode().removeprefix("txt:").splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def _line(self):
        try:
            line = self._input.readline()
        except ConnectionResetError as error:
            raise Closed from error
        if not line.endswith(b"\r\n"):
            raise Closed
        return line[:-2]

    def _bulk(self, length, kind):
        if length < 0:
            return None
        try:
            data = self._input.read(length + 2)
        except ConnectionResetError as error:
            raise Closed from error
        if len(data) < length + 2:
            raise Closed
        assert data.endswith(b"\r\n"), data
        return kind(data[:-2])
