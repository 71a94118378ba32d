"""The servers that can be tested: how to start, load and question each.

number-dispenser is the one that matters. redis-server shows what the harness is worth: with
appendfsync everysec it must be caught, with always it must not.
"""

from book import Definition, Dispenser, Found
from harness.ledger import BUDGETS
from harness.resp import Error, Resp
from load import CHANGING_NAMES, STYLES, Changer
from machine import HERE

PIPELINE = 500


class NumberDispenser:
    styles = tuple(STYLES)
    ready = "ready: number-dispenser"
    start = (
        "{name} --addr 0.0.0.0:6380 --protected-mode no --data /data/state --run /run"
        " --threads $THREADS"
    )
    default_binary = HERE.parents[1] / "build/number-dispenser"

    def __init__(self, findings):
        self.findings = findings
        self._fixed = {
            f"{strategy}-{kind}": Definition(
                kind,
                12 if kind == 2 else 0,
                1000 if kind == 2 else 0,
                3 if kind == 2 else 1,
                strategy,
            )
            for strategy in (*BUDGETS, "switching")
            for kind in (2, 3)
        }
        self._drawn = {name: Dispenser(name, findings) for name in self._fixed}
        self._switching = [self._drawn["switching-2"], self._drawn["switching-3"]]
        self._changing = [Dispenser(f"changing-{at}", findings) for at in range(CHANGING_NAMES)]

    def groups(self, random):
        """What each stream draws from, in turn."""
        drawn = self._drawn.values()
        waiting = [dispenser for dispenser in drawn if "elegant" in dispenser.name]
        running = [dispenser for dispenser in drawn if dispenser not in waiting]
        # A reply that waits for the disk holds those behind it: windows open where none does.
        return [
            *(random.sample(list(drawn), len(drawn)) for _ in range(2)),
            waiting,
            *(random.sample(running, random.randrange(1, len(running) + 1)) for _ in range(4)),
            self._switching,
        ]

    def changer(self, address, random):
        return Changer(address, self._changing, self._switching, random, self.findings)

    def define(self, client):
        """Makes those that all streams draw from, where they are missing."""
        for name, definition in self._fixed.items():
            dispenser = self._drawn[name]
            if dispenser.acknowledged is not None:
                continue
            if name.startswith("switching"):
                definition = definition._replace(strategy="elegant_close")
            dispenser.send(definition)
            reply = client.command("HSET", name, *definition.fields())
            assert reply == len(definition.fields()) // 2, reply
            dispenser.acknowledge()

    def check(self, client, idle):
        """Compares every name with what the server shows."""
        dispensers = [*self._drawn.values(), *self._changing]
        there = 0
        for at in range(0, len(dispensers), PIPELINE):
            part = dispensers[at : at + PIPELINE]
            for dispenser, reply in zip(
                part, client.pipeline([("INFO", one.name) for one in part]), strict=True
            ):
                found = self._found(dispenser, reply)
                there += found is not None
                dispenser.check(found, idle)
        if (size := client.command("DBSIZE")) != there:
            self.findings.wrong.append(f"{size} dispensers, of which {there} have a known name")

    def _found(self, dispenser, reply):
        if isinstance(reply, Error):
            if reply != b"ERR dispenser not found":
                self.findings.note(dispenser, f"INFO is answered {reply!r}")
            return None
        try:
            return Found.from_info(dict(line.split(":", 1) for line in reply.decode().splitlines()))
        except AssertionError as error:
            self.findings.note(dispenser, f"figures do not add up: {error}")
            raise

    def draw_on(self, client):
        """The first numbers after a cut, one of each."""
        for dispenser in self._drawn.values():
            dispenser.asked += 1
            dispenser.record([client.command("GET", dispenser.name)])


class Redis:
    """Counters that INCR moves: each number is to be durable on its own, as in elegant_close."""

    styles = ("INCR",)
    ready = "Ready to accept connections"
    default_binary = "/usr/bin/redis-server"

    def __init__(self, findings, appendfsync):
        self.findings = findings
        self.start = (
            "{name} --bind 0.0.0.0 --port 6380 --protected-mode no --dir /data --save ''"
            f" --appendonly yes --appendfsync {appendfsync}"
        )
        self._definition = Definition(3, 0, 1, 1, "elegant_close")
        self._drawn = [Dispenser(f"counter-{at}", findings) for at in range(12)]
        for counter in self._drawn:
            counter.send(self._definition)
            counter.acknowledge()
        findings.changes = 0

    def groups(self, random):
        return [random.sample(self._drawn, len(self._drawn)) for _ in range(8)]

    def changer(self, _address, _random):
        return None

    def define(self, _client):
        pass

    def check(self, client, idle):
        for counter in self._drawn:
            issued = int(client.command("GET", counter.name) or 0)
            counter.check(Found(self._definition, issued + 1, issued, 0), idle)

    def draw_on(self, client):
        for counter in self._drawn:
            counter.asked += 1
            counter.record([b"%d" % client.command("INCR", counter.name)])


SUBJECTS = {
    "number-dispenser": NumberDispenser,
    "redis-everysec": lambda findings: Redis(findings, "everysec"),
    "redis-always": lambda findings: Redis(findings, "always"),
}


def connect(address):
    return Resp(address)
