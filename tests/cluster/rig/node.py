"""A node: the server of the end-to-end tests, joined to an etcd."""

import shutil
import signal

from harness.resp import Closed, Error
from harness.server import Server
from harness.waiting import TIMEOUT_S, wait_for

TRYAGAIN = b"TRYAGAIN no numbers are left that this node has leased, and etcd cannot be reached"

# Exit statuses.
IN_USE = 75  # another process has the node id, or has taken this one's place
CONFIGURATION = 78
NOT_OURS = 78  # the data directory and the cluster do not belong together

# Lines of INFO cluster, named here once.
STATE, EPOCH = "etcd_state", "node_epoch"
REQUESTS, FAILURES = "etcd_requests", "etcd_failures"
LAST_S = "leases_last_s"  # how long the leases last at the present rate
AWAY_S = "etcd_silent_for_s"
DROPPED = "ordinals_dropped"
LEFT = "leased_ordinals_left"
LAST_FAILURE = "etcd_last_failure"
CLUSTER_LINES = (
    "cluster_enabled", "node_id", STATE, EPOCH, "etcd_cluster_id", AWAY_S, REQUESTS, FAILURES,
    LAST_FAILURE, "segments_leased", "ordinals_leased", DROPPED, "lease_conflicts",
    "leased_dispensers", LEFT, "first_to_run_out", LAST_S,
)
# Lines of INFO <name> after those of a server that serves alone.
LEASE_LINES = ("order", "segment", "segment_left", "lease_age_s")


class Node(Server):
    """`endpoints`: of etcd, or of a proxy before it."""

    def __init__(self, node_id, endpoints, *options, **settings):
        super().__init__(
            "--cluster-endpoints", ",".join(endpoints), "--node-id", node_id, *options, **settings
        )
        self.node_id, self.endpoints, self.more, self.settings = node_id, endpoints, options, settings

    def start(self):
        """Starts the process and waits until it has joined."""
        super().start()
        return self.wait_for_state("connected")

    def wait_for_state(self, *states, timeout_s=TIMEOUT_S):
        wait_for(lambda: self.state() in states, f"{self.node_id} to be {states}", timeout_s)
        return self

    def state(self):
        return self.cluster().get(STATE)

    def cluster(self):
        """INFO cluster as a dictionary."""
        with self.connect() as client:
            return client.info("cluster")

    def command(self, *arguments):
        """One command on a connection of its own."""
        with self.connect() as client:
            return client.command(*arguments)

    def info(self, name):
        with self.connect() as client:
            return client.info(name)

    def knows(self, name):
        return self.command("EXISTS", name) == 1

    def wait_to_know(self, *names):
        for name in names:
            wait_for(lambda name=name: self.knows(name), f"{self.node_id} to know {name}")

    def wait_until_issuing(self, name, timeout_s=TIMEOUT_S):
        """Waits until a GET gets a number; returns it."""

        def number():
            reply = self.command("GET", name)
            return None if isinstance(reply, Error) else (reply,)

        return wait_for(number, f"{self.node_id} to issue {name}", timeout_s)[0]

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def is_gone(self):
        return self.process is None or self.process.poll() is not None

    def clone(self, node_id=None, with_run=False):
        """Another node, not started, on a copy of this one's data; `with_run`: and of its live counters."""
        other = Node(node_id or self.node_id, self.endpoints, *self.more, **self.settings)
        shutil.copytree(self.data, other.data)
        if with_run:
            shutil.copytree(self.run, other.run, dirs_exist_ok=True)
        return other

    def refused(self):
        """Starts it where that must fail; how it ended."""
        return self.spawn().wait()

    def draw_until_refused(self, name, most, step=100):
        """Draws by INCRBY, then one by one, until there is an error: (last ordinals as ranges, the error)."""
        blocks = []
        with self.connect() as client:
            for size in (step, 1):
                while True:
                    reply = client.command("INCRBY", name, size)
                    if isinstance(reply, Error):
                        break
                    blocks.append((reply - size + 1, reply))
                    assert sum(end - begin + 1 for begin, end in blocks) <= most, "it does not end"
        return blocks, reply


class Restless:
    """Reconnects for as long as a test draws from a node that may go away."""

    def __init__(self, node):
        self.node, self.client = node, None

    def get(self, name):
        """A reply, or None where the connection broke before it came."""
        try:
            if self.client is None:
                self.client = self.node.connect(timeout_s=5)
            return self.client.command("GET", name)
        except (OSError, Closed):
            self.close()
            return None

    def close(self):
        if self.client is not None:
            self.client.close()
            self.client = None
