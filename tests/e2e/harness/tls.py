"""A server with a TLS port beside its plain one, and the certificates of both sides."""

import subprocess
from contextlib import contextmanager

from . import places
from .certificates import Authority
from .resp import Resp
from .waiting import TIMEOUT_S


class TlsServer:
    """Wraps a server, not started. `options` as on its command line; --tls-auth-clients is no
    unless it is among them."""

    def __init__(self, server, *options):
        self.server = server
        self.authority = Authority(server.home)
        self.crt, self.key = self.authority.issue("server")
        self.port = places.free_port()
        if "--tls-auth-clients" not in options:
            options = ("--tls-auth-clients", "no", *options)
        server.options = (
            *("--tls-port", self.port, "--tls-cert-file", self.crt, "--tls-key-file", self.key),
            *("--tls-ca-cert-file", self.authority.crt, *options),
        )

    def start(self):
        self.server.start()
        return self

    def connect(self, own=None, **options):
        return Resp(("127.0.0.1", self.port), tls=self.authority.context(own), **options)

    def plain(self, **options):
        """A connection to the TLS port without TLS."""
        return Resp(("127.0.0.1", self.port), **options)

    def redis_cli(self, *arguments, own=None, port=None):
        """What redis-cli --tls prints, or its error."""
        shown = ("--cert", own[0], "--key", own[1]) if own else ()
        command = ("redis-cli", "-p", port or self.port, "--tls", "--cacert", self.authority.crt)
        done = subprocess.run(
            [str(word) for word in (*command, *shown, *arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return (done.stdout + done.stderr).strip()

    @contextmanager
    def quiet(self):
        """Whatever happens inside leaves no line in the log."""
        before = self.server.log()
        yield
        assert self.server.log() == before
