"""The etcd and the nodes under test, each on a machine of the network of its own."""

import contextlib
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

from harness.resp import Closed
from harness.state_file import HEADER_BYTES, HEADER_COPIES, STAMP, crc32c
from rig.etcd import Etcd, Member
from rig.node import Node

NODE_PORT, CLONE_PORT = 6380, 6381
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
HERE = Path(__file__).resolve().parent


class PlacedEtcd(Etcd):
    """Three members, m0 to m2, each on its machine."""

    def __init__(self, network):
        super().__init__(3)
        self.members = []
        for index in range(3):
            member = Member(f"m{index}", self.home, "http")
            member.client_port, member.peer_port = 2379, 2380
            member.url = f"http://{network.address[member.name]}:2379"
            member.peer_url = f"http://{network.address[member.name]}:2380"
            member.wrapper = network.inside(member.name)
            self.members.append(member)


class PlacedNode(Node):
    """A node on its machine. `clock`: its wall clock can be moved."""

    def __init__(self, name, network, etcd, home, clock=False, options=()):
        super().__init__(name, etcd.endpoints, "--segment-minutes", "1", "--protected-mode", "no", *options,
                         wrapper=network.inside(name))
        self.network, self.etcd, self.book, self.clock_options = network, etcd, home, options
        self.port, self.address = NODE_PORT, (network.address[name], NODE_PORT)
        self.clock_file = home / f"clock.{name}"
        if clock:
            self.env = {
                "LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(self.clock_file),
                "FAKETIME_CACHE_DURATION": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "FAKETIME_DONT_RESET": "1",
            }
            self.move_clock(0)
        self.has_clock = clock

    def arguments(self):
        fixed = ("--addr", f"{self.address[0]}:{self.port}", "--data", self.data, "--run", self.run)
        return [str(option) for option in (*fixed, *self.options)]

    def move_clock(self, seconds):
        self.clock_file.write_text(f"{seconds:+d}\n", encoding="ascii")

    def lose_counters(self):
        for path in self.run.iterdir():
            path.unlink()

    def clone_beside(self, with_run):
        """Another process for the same node id on a copy of this one's folders, on the same machine."""
        other = PlacedNode(self.node_id, self.network, self.etcd, self.book, options=self.clock_options)
        other.port, other.address = CLONE_PORT, (self.address[0], CLONE_PORT)
        shutil.copytree(self.data, other.data)
        if with_run:
            with contextlib.suppress(FileNotFoundError):
                shutil.copytree(self.run, other.run, dirs_exist_ok=True)
        return other

    def put_back(self, copy, in_place):
        """The old files instead of those there: created anew, or written over, which keeps their inodes."""
        if not in_place:
            shutil.rmtree(self.data)
            shutil.copytree(copy, self.data)
            return
        for path in copy.iterdir():
            with open(self.data / path.name, "r+b") as file:
                file.write(path.read_bytes())
                file.truncate()
                os.fsync(file.fileno())

    def ask(self, what):
        """what(client) on a connection of its own, or None where nobody answers in a second."""
        try:
            with self.connect(timeout_s=1) as client:
                return what(client)
        except (OSError, Closed):
            return None

    def is_up(self):
        """It has joined and issues."""
        info = self.ask(lambda client: client.info("cluster"))
        return info is not None and info.get("etcd_state") == "connected"


def marks_in(folder):
    """The mark and the one before in a state file, as its newer good header has them."""
    data = (folder / "dispensers.state").read_bytes()
    best = None
    for start in HEADER_COPIES:
        header = data[start : start + HEADER_BYTES]
        if len(header) == HEADER_BYTES and crc32c(header[:-4]) == struct.unpack("<I", header[-4:])[0]:
            sequence = struct.unpack_from("<Q", header, 56)[0]
            if best is None or sequence > best[0]:
                best = (sequence, struct.unpack_from("<QQ", header, STAMP + 8))
    return best[1] if best else (0, 0)


class Clients:
    """The process that draws from one node or clone."""

    def __init__(self, node, record, seed, steps):
        names = [f"{name}:{step}" for name, step in steps.items()]
        self.record = record
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *node.wrapper, sys.executable, str(HERE / "draw.py"),
             node.address[0], str(node.port), str(record), str(seed), *names])

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


class Watcher(threading.Thread):
    """Reads INFO cluster of every node again and again: what each run has dropped, and how long the nodes were away."""

    def __init__(self, nodes):
        super().__init__(daemon=True)
        self.nodes, self.dropped, self.over = nodes, {}, threading.Event()

    def run(self):
        while not self.over.wait(0.3):
            for node in self.nodes:
                self.look(node)

    def look(self, node):
        info = node.ask(lambda client: client.info("cluster"))
        if info and "ordinals_dropped" in info:
            key = (node.node_id, int(info["node_epoch"]))
            self.dropped[key] = max(self.dropped.get(key, 0), int(info["ordinals_dropped"]))

    def dropped_by(self, node):
        return sum(count for (node_id, _), count in self.dropped.items() if node_id == node.node_id)


class Events:
    """What was done to whom and when; also printed. Faults are windows: [kind, whom, begin, end]."""

    def __init__(self, path):
        self.begin_ns, self.windows, self.counts = time.monotonic_ns(), [], {}
        self._file = open(path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115

    def say(self, text):
        self._file.write(f"{(time.monotonic_ns() - self.begin_ns) / 1e9:8.3f} {time.monotonic_ns()} {text}\n")

    def begin(self, kind, whom, detail=""):
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.say(f"{kind} {whom} {detail}".rstrip())
        window = [kind, whom, time.monotonic_ns(), None]
        self.windows.append(window)
        return window

    def end(self, window):
        window[3] = time.monotonic_ns()
        self.say(f"  end of {window[0]} {window[1]}")
