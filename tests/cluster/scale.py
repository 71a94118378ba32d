#!/usr/bin/python3
"""What a node with many dispensers costs itself and etcd: one member of etcd, one node, on this machine.

scale.py [--dispensers 10000] [--seconds 30]    measured here
scale.py --paper                                computed: 1,000 nodes with 10,000 dispensers each
"""

import argparse
import os
import selectors
import sys
import threading
import time
import urllib.request
from pathlib import Path

sys.dont_write_bytecode = True
_HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(_HERE), str(_HERE.parent / "e2e")]

from harness.resp import Error, Resp, encode  # noqa: E402
from harness.waiting import wait_for  # noqa: E402
from rig.etcd import Etcd  # noqa: E402
from rig.node import Node  # noqa: E402

_TICKS = os.sysconf("SC_CLK_TCK")
SMALLEST, ATTEMPTS_SHARED = 100, 2  # src/cluster/segment_size.h; one to learn where the counter is, one to move it
_HOT = 100
_CONNECTIONS = 32
# Counters of etcd, and what they are called here.
_COUNTED = {"etcd_server_proposals_applied_total": "raft", "etcd_mvcc_put_total": "puts",
            "etcd_disk_wal_fsync_duration_seconds_count": "flushes"}


def paper(nodes=1000, dispensers=10000):
    print(f"{nodes:,} nodes x {dispensers:,} dispensers, each of them used on each node")
    print()
    print("| a node draws from each | segment minutes | segment | segments/s | requests/s | raft entries/s |")
    print("|---|---:|---:|---:|---:|---:|")
    for text, rate in (("1/min", 1 / 60), ("1/s", 1), ("100/s", 100)):
        for minutes in (10, 60, 1440):
            segment = max(SMALLEST, rate * 60 * minutes)
            grants = nodes * dispensers * rate / segment
            # All of a batch that fail at first go again together, so a request carries as many as are due at once.
            requests = ATTEMPTS_SHARED * grants + 2 * nodes
            entries = ATTEMPTS_SHARED * grants + nodes
            print(f"| {text} | {minutes} | {segment:,.0f} | {grants:,.0f} | {requests:,.0f} | {entries:,.0f} |")
    print()
    print(f"Of these by heartbeats: {2 * nodes:,} requests/s, half of them raft entries. Watches: each change of a "
          f"definition is told {nodes:,} times.")


class Meter:
    """Differences of what etcd and the node count, a second."""

    def __init__(self, etcd, node):
        self.etcd, self.node = etcd, node

    def read(self):
        text = urllib.request.urlopen(f"{self.etcd[0].url}/metrics", timeout=20).read().decode()
        values = {}
        for line in text.splitlines():
            name, _, value = line.rpartition(" ")
            if name in _COUNTED:
                values[_COUNTED[name]] = float(value)
        info = self.node.cluster()
        values["requests"] = int(info["etcd_requests"])
        values["segments"] = int(info["segments_leased"])
        values["node cpu %"] = 100 * cpu_s(self.node.process.pid)
        values["etcd cpu %"] = 100 * cpu_s(self.etcd[0].process.pid)
        return time.monotonic(), values

    def during(self, what, load, seconds):
        begin, before = self.read()
        drawn = load(seconds)
        end, after = self.read()
        took = end - begin
        rates = {name: (after[name] - before[name]) / took for name in before}
        print(f"| {what} | {drawn / took:,.0f} | {rates['requests']:.1f} | {rates['segments']:.1f} | {rates['raft']:.1f} | "
              f"{rates['puts']:.1f} | {rates['flushes']:.1f} | {rates['node cpu %']:.1f} | {rates['etcd cpu %']:.1f} |",
              flush=True)


def cpu_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def idle(seconds):
    time.sleep(seconds)
    return 0


class Load:
    """GETs of all names in turn, on one connection, a whole turn at a time."""

    def __init__(self, node, names, turns_a_second=None):
        self.node, self.count, self.pace = node, len(names), turns_a_second
        self.turn = b"".join(encode("GET", name) for name in names)

    def __call__(self, seconds):
        drawn, begin = 0, time.monotonic()
        with self.node.connect() as client, selectors.DefaultSelector() as selector:
            client.socket.setblocking(False)
            selector.register(client.socket, selectors.EVENT_READ | selectors.EVENT_WRITE)
            while time.monotonic() < begin + seconds:
                self.one_turn(client.socket, selector)
                drawn += self.count
                if self.pace:
                    time.sleep(max(0, begin + drawn / self.count / self.pace - time.monotonic()))
        return drawn

    def one_turn(self, connection, selector):
        unsent, lines = memoryview(self.turn), 0
        while lines < 2 * self.count:
            for _, ready in selector.select():
                if ready & selectors.EVENT_READ:
                    data = connection.recv(1 << 20)
                    assert data and b"-" not in data, data[:200]
                    lines += data.count(b"\n")
                if unsent and ready & selectors.EVENT_WRITE:
                    unsent = unsent[connection.send(unsent[: 1 << 16]) :]
            selector.modify(connection, selectors.EVENT_READ | (selectors.EVENT_WRITE if unsent else 0))
        selector.modify(connection, selectors.EVENT_READ | selectors.EVENT_WRITE)


def define(node, names):
    """By many connections, since each HSET is answered when etcd has it."""

    def some(part):
        with Resp(node.address) as client:
            for name in part:
                reply = client.command("HSET", name, "type", 3, "auto_disk", "pre_close")
                assert not isinstance(reply, Error), reply

    threads = [threading.Thread(target=some, args=(names[at::_CONNECTIONS],)) for at in range(_CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def timed(what, do):
    begin = time.monotonic()
    done = do()
    print(f"{what}: {time.monotonic() - begin:.2f} s", flush=True)
    return done


def measure(dispensers, seconds, warm):
    names = [f"d{number}" for number in range(dispensers)]
    etcd = Etcd(options=("--auto-compaction-mode", "periodic", "--auto-compaction-retention", "1m"))
    nodes = []
    try:
        etcd.start()
        node = Node("a", etcd.endpoints, "--segment-minutes", "1")
        nodes.append(node)
        node.start()
        timed(f"{dispensers:,} dispensers defined by {_CONNECTIONS} connections", lambda: define(node, names))
        meter = Meter(etcd, node)
        print()
        print("| load | numbers/s | requests/s | segments/s | raft entries/s | puts/s | flushes of etcd/s | CPU of the node % "
              "| CPU of etcd % |")
        print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
        meter.during("none", idle, seconds)
        meter.during("each 1/s", Load(node, names, 1), seconds)
        # Until first segments are used up, and their successors are of the right size.
        Load(node, names, 20)(warm)
        meter.during("each 20/s", Load(node, names, 20), 2 * seconds)
        meter.during(f"{_HOT} hot ones", Load(node, names[:_HOT] * 20), seconds)
        print()
        print(f"memory: node {node.memory_kib() / 1024:.0f} MiB, state file {size(node.data) / 2**20:.0f} MiB")
        member = Path(f"/proc/{etcd[0].process.pid}/status").read_text(encoding="ascii")
        rss = int(member.split("VmRSS:")[1].split()[0]) / 1024
        print(f"etcd: {rss:.0f} MiB resident, {size(etcd[0].data / 'member' / 'snap') / 2**20:.0f} MiB of data base")
        assert node.stop().status == 0
        timed("the node joins again", node.start)
        node.kill9()
        timed("the same after SIGKILL", node.start)
        other = Node("b", etcd.endpoints, "--segment-minutes", "1")
        nodes.append(other)
        timed("a new node joins", other.start)
        timed("and knows all of them", lambda: wait_for(
            lambda: other.command("EXISTS", *names) == len(names), "every dispenser to be known", 60))
        timed("and draws one of each", lambda: Load(other, names)(0.001))
    finally:
        for one in nodes:
            one.discard()
        etcd.discard()


def size(folder):
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dispensers", type=int, default=10000)
    parser.add_argument("--seconds", type=float, default=30, help="of each measurement")
    parser.add_argument("--warm", type=float, default=80, help="seconds of load before, until segments have their size")
    parser.add_argument("--paper", action="store_true")
    chosen = parser.parse_args()
    if chosen.paper:
        paper()
    else:
        measure(chosen.dispensers, chosen.seconds, chosen.warm)


main()
