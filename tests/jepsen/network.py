"""One network namespace for each machine, all of them on one bridge, in a namespace that vanishes with this process."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NET = "10.99.7"
_INSIDE = "ND_JEPSEN_INSIDE"
_TABLE = """
table inet jepsen {
  set cut { type ipv4_addr; }
  chain from { type filter hook input priority 0; ip saddr @cut drop; }
  chain to { type filter hook output priority 0; ip daddr @cut drop; }
}
"""


def unavailable():
    """Why there can be no such network here, or an empty string."""
    if os.geteuid() != 0:
        return "it needs root"
    missing = [name for name in ("ip", "nft", "tc", "nsenter", "unshare", "etcd", "etcdctl") if not shutil.which(name)]
    if missing:
        return f"not installed: {' '.join(missing)}"
    tried = "ip link add b0 type bridge && ip link add v0 type veth peer name v1 && nft add table inet t"
    done = subprocess.run(["unshare", "--net", "sh", "-c", tried], capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else ""


def enter():
    """Starts this program again in namespaces of its own, which end with it and with what it has started."""
    if os.environ.get(_INSIDE) is None:
        os.environ[_INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--net", "--mount", sys.executable, *sys.argv])
    os.environ.pop(_INSIDE)
    Path("/run/netns").mkdir(exist_ok=True)
    _run("mount", "-t", "tmpfs", "none", "/run/netns")


class Network:
    """Machines m0, m1, ... by name. What is cut loses every packet, without an answer."""

    def __init__(self, names):
        self.address = {name: f"{NET}.{10 + index}" for index, name in enumerate(names)}
        _run("ip", "link", "set", "lo", "up")
        _run("ip", "link", "add", "bridge", "type", "bridge")
        _run("ip", "address", "add", f"{NET}.1/24", "dev", "bridge")
        _run("ip", "link", "set", "bridge", "up")
        for name, address in self.address.items():
            _run("ip", "netns", "add", name)
            _run("ip", "link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
            _run("ip", "link", "set", f"to-{name}", "master", "bridge", "up")
            self._inside(name, "ip", "link", "set", "lo", "up")
            self._inside(name, "ip", "address", "add", f"{address}/24", "dev", "eth0")
            self._inside(name, "ip", "link", "set", "eth0", "up")
            self._inside(name, "nft", "-f", "-", stdin=_TABLE)
        self.has_delay = self._try_delay(names[0])

    @staticmethod
    def inside(name):
        """What to put before a command for it to run on this machine."""
        return ("nsenter", f"--net=/run/netns/{name}")

    def cut(self, name, others):
        """No packet passes between this machine and these others, in either direction."""
        listed = ", ".join(self.address[other] for other in others)
        self._inside(name, "nft", "add", "element", "inet", "jepsen", "cut", "{", listed, "}")

    def mend(self, name):
        self._inside(name, "nft", "flush", "set", "inet", "jepsen", "cut")

    def slow(self, name, delay_ms):
        """What this machine sends is late; where the kernel cannot delay, it queues before a narrow way."""
        how = ("netem", "delay", f"{delay_ms}ms", f"{delay_ms // 4}ms") if self.has_delay else (
            "tbf", "rate", "150kbit", "burst", "2000", "latency", f"{4 * delay_ms}ms")
        self._inside(name, "tc", "qdisc", "replace", "dev", "eth0", "root", *how)

    def quicken(self, name):
        self._inside(name, "tc", "qdisc", "del", "dev", "eth0", "root")

    def _try_delay(self, name):
        tried = [*self.inside(name), "tc", "qdisc", "add", "dev", "eth0", "root", "netem", "delay", "1ms"]
        if subprocess.run(tried, capture_output=True, check=False).returncode:
            return False
        self.quicken(name)
        return True

    def _inside(self, name, *command, stdin=None):
        _run(*self.inside(name), *command, stdin=stdin)


def _run(*command, stdin=None):
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
