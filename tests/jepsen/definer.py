"""Deletes dispensers and defines them again, and switches strategies, on any node; records what was acknowledged."""

import random
import threading
import time

from harness.resp import Closed, Error
from history import GENERATION

DURABLE = ("elegant_close", "pre_close", "pre-checkpoint", "pre-base")
# Name: step, type. Those that stay, and those that are defined again and again.
LASTING = {**{f"keep-{strategy}": (1 if "close" in strategy else 3, 3) for strategy in DURABLE},
           "switched": (2, 2), "narrow": (1, 2)}
CHANGING = {"again-1": (1, 3), "again-2": (5, 2)}
STEPS = {name: step for name, (step, _) in (LASTING | CHANGING).items()}
NARROW_LENGTH = 7
STARTING = dict.fromkeys(LASTING | CHANGING, GENERATION) | {"narrow": 9_000_000}


def definition(name, generation, strategy):
    step, kind = (LASTING | CHANGING)[name]
    length = () if kind == 3 else ("length", NARROW_LENGTH if name == "narrow" else 18)
    starting = STARTING["narrow"] if name == "narrow" else generation * GENERATION
    return ("HSET", name, "type", kind, *length, "starting", starting, "step", step, "auto_disk", strategy)


class Definer(threading.Thread):
    """`acknowledged`: (name, generation, node id, asked, done) of each definition that replaced one. `unsure`: names
    whose latest definition is not known."""

    def __init__(self, nodes, seed):
        super().__init__(daemon=True)
        self.nodes, self.chance, self.over = nodes, random.Random(seed), threading.Event()
        self.acknowledged, self.switches, self.failures = [], 0, 0
        self.generation = dict.fromkeys(CHANGING, 1)
        self.strategy = {name: name.removeprefix("keep-") for name in LASTING}
        self.strategy |= dict.fromkeys(("switched", "narrow"), "pre_close")
        self.error = None

    def define_all(self):
        with self.nodes[0].connect() as client:
            for name, strategy in self.strategy.items():
                self.must(client.command(*definition(name, 1, strategy)))
            for name in CHANGING:
                self.must(client.command(*definition(name, 1, "pre_close")))

    @staticmethod
    def must(reply):
        assert not isinstance(reply, Error), reply

    def run(self):
        try:
            while not self.over.wait(self.chance.uniform(0.1, 0.8)):
                if self.chance.random() < 0.5:
                    self.switch()
                else:
                    self.replace(self.chance.choice(list(CHANGING)))
        except Exception as error:  # The run fails with it.
            self.error = error

    def ask(self, *words):
        """(reply, node id), or an Error where nobody answered."""
        node = self.chance.choice(self.nodes)
        try:
            with node.connect(timeout_s=5) as client:
                return client.command(*words), node.node_id
        except (OSError, Closed):
            return Error(b"no answer"), node.node_id

    def switch(self):
        reply, _ = self.ask("HSET", "switched", "auto_disk", self.chance.choice(DURABLE))
        if isinstance(reply, Error):
            self.failures += 1
        else:
            self.switches += 1

    def replace(self, name):
        """Until it is done: a name that is half way would be drawn from by nobody."""
        while not self.over.is_set():
            reply, _ = self.ask("DEL", name)
            if not isinstance(reply, Error):
                self.generation[name] += 1
                asked = time.monotonic_ns()
                reply, node_id = self.ask(*definition(name, self.generation[name], self.chance.choice(DURABLE)))
                if not isinstance(reply, Error):
                    self.acknowledged.append((name, self.generation[name], node_id, asked, time.monotonic_ns()))
                    return
            self.failures += 1
            self.over.wait(0.3)
