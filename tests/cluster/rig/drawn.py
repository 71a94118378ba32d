"""What was drawn of one dispenser, by all clients of all nodes: no number twice, and each node's increase."""

import threading
import time

from harness.promise import promise
from harness.resp import Error


class Drawn:
    """Thread-safe. `numbers`: everything so far, with who had it."""

    def __init__(self, name):
        self.name, self.numbers, self.last = name, {}, {}
        self._lock = threading.Lock()

    def note(self, node_id, number):
        with self._lock:
            before = self.numbers.get(number)
            promise(before is None, f"{self.name}: {number} was issued twice, by {before} and by {node_id}")
            self.numbers[number] = node_id

    def note_block(self, node_id, last, size):
        for number in range(last - size + 1, last + 1):
            self.note(node_id, number)

    def take(self, node, count, client=None):
        """Draws by one pipeline; each is larger than all that this method has drawn from the node before."""
        if client is None:
            with node.connect() as own:
                return self.take(node, count, own)
        numbers = []
        for reply in client.pipeline([("GET", self.name)] * count):
            assert not isinstance(reply, Error), reply
            number = int(reply)
            last = self.last.get(node.node_id)
            promise(last is None or number > last, f"{self.name}: {number} after {last} on {node.node_id}")
            self.last[node.node_id] = number
            self.note(node.node_id, number)
            numbers.append(number)
        return numbers


class Drawer(threading.Thread):
    """Draws until told to stop, on a connection of its own that it makes again when it breaks. `errors`: error
    replies; `times`: (sent, seconds) of each number."""

    def __init__(self, restless, drawn, pace_s=0.0):
        super().__init__()
        self.restless, self.drawn, self.pace_s = restless, drawn, pace_s
        self.errors, self.times, self.failure = [], [], None
        self.over = threading.Event()

    def run(self):
        try:
            while not self.over.is_set():
                sent = time.monotonic()
                reply = self.restless.get(self.drawn.name)
                took = time.monotonic() - sent
                if reply is None:
                    self.over.wait(0.01)
                elif isinstance(reply, Error):
                    self.errors.append(reply)
                    self.over.wait(0.005)
                else:
                    self.drawn.note(self.restless.node.node_id, int(reply))
                    self.times.append((sent, took))
                if self.pace_s:
                    self.over.wait(self.pace_s)
        except Exception as error:  # Handed to the test, which fails with it.
            self.failure = error
        finally:
            self.restless.close()

    def end(self):
        self.over.set()
        self.join()
        if self.failure:
            raise self.failure
        return self


def percentile(values, share):
    """The smallest value that so large a share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def histogram(seconds, edges_ms=(0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)):
    """Lines for people: how many took at most so many milliseconds."""
    lines, done = [], 0
    for edge in edges_ms:
        count = sum(1 for value in seconds if value * 1000 <= edge)
        lines.append(f"  <= {edge:>6} ms  {count - done:>8}")
        done = count
    lines.append(f"  more          {len(seconds) - done:>8}")
    return "\n".join(lines)
