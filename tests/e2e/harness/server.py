"""The server under test: started in folders and on a port of its own, and always ended."""

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import places
from .resp import Closed, Resp
from .waiting import TIMEOUT_S, wait_for

# Ends the server with the tests, even when these are killed.
_LEASH = ("setpriv", "--pdeathsig", "KILL")
_ALARMS = ("Sanitizer", "runtime error:", "broken invariant")


@dataclass
class Exit:
    """How a process ended. `status` is negative for a signal."""

    status: int
    stderr: str
    stdout: str = ""

    @property
    def lines(self):
        return [line for line in self.stderr.splitlines() if line.strip()]


class DidNotStart(AssertionError):
    def __init__(self, ended):
        super().__init__(f"the server ended with {ended.status} at start: {ended.stderr}")
        self.exit = ended


def clean_environment(extra=None):
    """The environment without what would configure the server."""
    service = {
        "RUNTIME_DIRECTORY",
        "NOTIFY_SOCKET",
        "JOURNAL_STREAM",
        "WATCHDOG_USEC",
        "LISTEN_FDS",
    }
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("NUMBER_DISPENSER_") and name not in service
    }
    return kept | (extra or {})


def run_binary(*arguments, env=None, cwd=None):
    """Runs the binary until it ends by itself."""
    done = subprocess.run(
        [*_LEASH, str(places.BINARY), *map(str, arguments)],
        env=clean_environment(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return Exit(done.returncode, done.stderr.decode(), done.stdout.decode())


class Server:
    """One process at a time over one data folder, one run folder and one port.

    `options` follow --addr, --data and --run on the command line; with `bare` they are all of it.
    `wrapper` is a command that ends by executing the server, for example prlimit.
    """

    def __init__(self, *options, env=None, wrapper=(), bare=False):
        self.binary = places.BINARY
        self.home = places.new_folder()
        self.data = self.home / "data"
        self.run = places.new_run_folder()
        self.port = places.free_port()
        self.address = ("127.0.0.1", self.port)
        self.options = options
        self.env = env or {}
        self.wrapper = wrapper
        self.bare = bare
        self.process = None
        self._runs = 0

    def as_nobody(self):
        """Runs it as a user who owns nothing; needs root. The caller opens the folders it needs."""
        self.wrapper = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        # The build folder may be closed to others.
        self.binary = Path(shutil.copy(places.BINARY, self.home))
        self.data.mkdir(mode=0o755)
        return self

    def arguments(self):
        if self.bare:
            return [str(option) for option in self.options]
        fixed = ("--addr", f"127.0.0.1:{self.port}", "--data", self.data, "--run", self.run)
        return [str(option) for option in (*fixed, *self.options)]

    def spawn(self):
        """Starts the process without waiting for it to serve."""
        assert self.process is None, "already running"
        self._runs += 1
        with open(self._log_path(), "wb") as log:
            self.process = subprocess.Popen(
                [*_LEASH, *self.wrapper, str(self.binary), *self.arguments()],
                env=clean_environment(self.env),
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self

    def start(self):
        """Starts the process and waits until it answers."""
        self.spawn()
        wait_for(self._answers, "the server to answer")
        return self

    def _answers(self):
        if self.process.poll() is not None:
            raise DidNotStart(self._ended())
        try:
            # An answer, not only a connection: a killed server's listener can outlive it a moment.
            with Resp(self.address) as client:
                return client.command("PING")
        except (OSError, Closed):
            return None

    def stop(self, number=signal.SIGTERM):
        """Stops by a signal and returns how the process ended."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self):
        """Waits for the process to end by itself."""
        try:
            self.process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill9()
            raise AssertionError(f"the server did not end: {self.log()}") from None
        return self._ended()

    def _ended(self):
        status = self.process.returncode
        self.process = None
        return Exit(status, self.log())

    def kill9(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        return self

    def restart(self):
        """Stops cleanly and starts again."""
        ended = self.stop()
        assert ended.status == 0, ended
        return self.start()

    def crash(self):
        """SIGKILL, then start again: the live counters are there."""
        return self.kill9().start()

    def lose_power(self):
        """SIGKILL, the live counters gone, then start: what a power cut does to the counters."""
        self.kill9()
        for path in self.run.iterdir():
            path.unlink()
        return self.start()

    def copy(self):
        """Another server, not started, on a copy of the data of this one, without live counters."""
        other = Server(*self.options, env=self.env, wrapper=self.wrapper)
        shutil.copytree(self.data, other.data)
        return other

    def log(self):
        """What the last run wrote to standard error, and to standard output, which stays empty."""
        return self._log_path().read_text(errors="replace")

    def _log_path(self):
        return self.home / f"log.{self._runs}"

    def connect(self, **options):
        return Resp(self.address, **options)

    def tool(self, name, *arguments):
        """Runs `check` or `dump` on the data of this server."""
        return run_binary(name, "--data", self.data, "--run", self.run, *arguments)

    def memory_kib(self):
        """Resident memory, without the file pages that the kernel can drop."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1])
        raise AssertionError("no RssAnon")

    def discard(self):
        """Ends the process, removes the folders; returns what a sanitizer or ND_CHECK said, if anything."""
        self.kill9()
        logs = [path.read_text(errors="replace") for path in self.home.glob("log.*")]
        places.remove(self.home)
        places.remove(self.run)
        return [log for log in logs if any(mark in log for mark in _ALARMS)]
