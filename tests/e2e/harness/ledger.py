"""What a client received of one dispenser, checked against the promise of SPEC sections 1 to 3."""

from fractions import Fraction

from .promise import promise
from .resp import Error

# The share of numbers that crashes may waste.
BUDGETS = {
    "memory": Fraction(1),
    "pre-base": Fraction(1, 2),
    "pre-checkpoint": Fraction(1, 20),
    "pre_close": Fraction(1, 1000),
    "elegant_close": Fraction(0),
}
STRATEGIES = tuple(BUDGETS)
DURABLE = tuple(name for name in BUDGETS if name != "memory")


def check_figures(info):
    """The arithmetic of INFO, for types 2 and 3; returns the numbers wasted."""
    generated, wasted = int(info["generated"]), int(info["wasted"])
    current, starting, step = (int(info[key]) for key in ("current", "starting", "step"))
    promise(generated + wasted == (current - starting) // step, info)
    assert (current - starting) % step == 0, info
    rate = Fraction(wasted * 100, max(1, generated + wasted))
    shown = info["waste_rate"]
    assert shown.endswith("%") and len(shown.split(".")[1]) == 3, info
    assert abs(Fraction(shown[:-1]) - rate) <= Fraction(1, 200), info
    return wasted


class Ledger:
    """Everything received from one incrementing dispenser, which no other client uses."""

    def __init__(self, name, strategy, starting=0, step=1, length=None):
        self.name, self.strategy = name, strategy
        self.starting, self.step, self.length = starting, step, length
        self.last = starting - step
        self.received = 0

    def define(self, client):
        kind = ("type", 2, "length", self.length) if self.length else ("type", 3)
        fields = (*kind, "starting", self.starting, "step", self.step, "auto_disk", self.strategy)
        assert client.command("HSET", self.name, *fields) == len(fields) // 2
        return self

    def draw(self, client, count):
        """Draws `count` numbers by one pipeline: each larger than all before, and on the grid."""
        for reply in client.pipeline([("GET", self.name)] * count):
            assert not isinstance(reply, Error), reply
            number = int(reply)
            promise(number > self.last, number, self.last, "issued twice or out of order")
            assert (number - self.starting) % self.step == 0, number
            assert self.length is None or len(reply) == self.length, reply
            self.last = number
            self.received += 1

    def check_exact(self, client):
        """The next number is the one after the last received, and nothing was ever wasted."""
        info = client.info(self.name)
        promise(check_figures(info) == 0, info)
        promise(int(info["current"]) == self.last + self.step, self.last, info)
        promise(int(info["generated"]) == self.received, self.received, info)

    def check_budget(self, client):
        """Numbers skipped are within the figure that INFO shows, and that within the budget."""
        info = client.info(self.name)
        wasted = check_figures(info)
        moved_past = (int(info["current"]) - self.starting) // self.step
        promise(int(info["current"]) > self.last, self.last, info)
        promise(moved_past - self.received <= wasted, f"received {self.received}: {info}")
        promise(wasted <= BUDGETS[self.strategy] * moved_past, info)

    def restart_memory(self):
        """A memory dispenser has started again at its first number."""
        self.last = self.starting - self.step
        self.received = 0
