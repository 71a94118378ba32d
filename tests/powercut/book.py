"""What clients were told of each dispenser, and whether a server agrees after a power cut."""

import sys
from collections import Counter
from fractions import Fraction
from typing import NamedTuple

from machine import HERE

sys.path.insert(0, str(HERE.parent / "e2e"))
from harness.ledger import BUDGETS, check_figures  # noqa: E402

# Strategies that leave nothing to waste once a dispenser has been idle for 2 s.
EXACT_WHEN_IDLE = ("pre-checkpoint", "pre_close", "elegant_close")


class Definition(NamedTuple):
    kind: int
    length: int  # 0 for type 3
    starting: int
    step: int
    strategy: str

    def fields(self):
        """The arguments of HSET after the name."""
        length = ("length", self.length) if self.length else ()
        counts = ("starting", self.starting, "step", self.step) if self.kind != 1 else ()
        return ("type", self.kind, *length, *counts, "auto_disk", self.strategy)


class Found(NamedTuple):
    """A dispenser as a server shows it."""

    definition: Definition
    current: int
    generated: int
    wasted: int

    @staticmethod
    def from_info(info):
        definition = Definition(
            *(int(info[key]) for key in ("type", "length", "starting", "step")), info["auto_disk"]
        )
        if definition.kind == 1:
            return Found(definition._replace(starting=0, step=1), 0, 0, 0)
        check_figures(info)
        return Found(definition, *(int(info[key]) for key in ("current", "generated", "wasted")))


class Findings:
    """The result over all cuts."""

    def __init__(self):
        self.cuts = Counter()  # by the kind of moment
        self.replies = 0
        self.changes = 0  # acknowledged HSET and DEL
        self.duplicates = 0
        self.wrong = []  # a line each
        self.waste = {name: Fraction(0) for name in BUDGETS}  # largest share that INFO showed
        self.lost = Counter()  # by strategy: numbers neither received nor counted as wasted
        self.in_flight = Counter()  # by strategy: numbers asked for and not received

    def note(self, dispenser, what):
        self.wrong.append(f"cut {sum(self.cuts.values())}: {dispenser.name}: {what}")


class Dispenser:
    """One name. A change that was sent and not acknowledged may hold or not, after a cut."""

    def __init__(self, name, findings):
        self.name, self.findings = name, findings
        self.acknowledged = None  # Definition
        self.sent = None  # Definition; differs while a change is under way
        self._forget()

    def _forget(self):
        """A new dispenser of this name, or one that has lost its counter as it may."""
        self._seen = bytearray()  # by ordinal: 1 if a client has it
        self.asked = self._received = 0  # in this boot
        self._generated = self._wasted = self._first = 0  # as found at the last boot
        self._switched = False

    # --- changes ------------------------------------------------------------------------

    def send(self, definition):
        """A change is on its way: to `definition`, or None for a DEL."""
        self.sent = definition
        if definition is not None and self.acknowledged is None:
            self._forget()
        elif definition is not None:
            self._switched = True

    def acknowledge(self):
        self.acknowledged = self.sent
        self.findings.changes += 1

    # --- numbers ------------------------------------------------------------------------

    def record(self, texts, each=1):
        """Replies that one connection received, in that order: bulk strings, or integers with their
        colon. A reply stands for `each` consecutive numbers, of which it is the last."""
        kind, length, starting, step, strategy = self.sent or self.acknowledged
        self._received += len(texts) * each
        self.findings.replies += len(texts)
        if kind == 1:
            return
        last = -1
        for text in texts:
            ordinal, rest = divmod(int(text.removeprefix(b":")) - starting, step)
            padded = not length or text.startswith(b":") or len(text) == length
            if rest or not padded or ordinal < each - 1 or ordinal > 1 << 28:
                self.findings.note(self, f"{text} is none of its numbers")
                continue
            first = ordinal - each + 1
            if first <= last or first < self._first:
                self.findings.note(self, f"{text} is out of order ({strategy})")
            last = ordinal
            if last >= len(self._seen):
                self._seen.extend(bytes(last + 1 - len(self._seen) + 4096))
            repeats = self._seen.count(1, first, last + 1)
            if repeats:
                self.findings.duplicates += repeats
                self.findings.note(self, f"{text} was issued twice ({strategy})")
            self._seen[first : last + 1] = b"\1" * each

    # --- after a cut --------------------------------------------------------------------

    def check(self, found, idle):
        """Compares with what the server shows after a cut (None: not there), and goes on from that.
        `idle`: nothing had been asked for 2 s, and every reply had arrived."""
        definition = found.definition if found else None
        if definition not in (self.acknowledged, self.sent):
            self.findings.note(
                self, f"is {definition}; acknowledged {self.acknowledged}, sent {self.sent}"
            )
        if definition is None or definition.kind == 1:
            if self.acknowledged and self.sent and self.acknowledged.strategy != "memory":
                self._count_repeats(0)
            self._forget()
        elif definition.strategy == "memory":
            self._forget()
            if found.current != definition.starting:
                self.findings.note(self, f"memory, and current is {found.current} after a cut")
        else:
            self._check_counter(found, idle)
        self.acknowledged = self.sent = definition

    def _count_repeats(self, first):
        """Numbers from ordinal `first` on will be issued: again, if clients have them."""
        repeats = self._seen.count(1, first)
        if repeats:
            self.findings.duplicates += repeats
            self.findings.note(self, f"{repeats} numbers that clients have will be issued again")
        del self._seen[first:]

    def _check_counter(self, found, idle):
        definition, findings = found.definition, self.findings
        moved = (found.current - definition.starting) // definition.step
        budget = BUDGETS[definition.strategy]
        highest = self._seen.rfind(1)
        self._count_repeats(moved)
        if found.wasted > max(self._wasted, int(budget * moved)):
            findings.note(self, f"{found.wasted} wasted of {moved}, {definition.strategy}")
        if found.wasted < self._wasted:
            findings.note(self, f"{found.wasted} wasted, {self._wasted} before")
        issued = found.generated - self._generated
        if issued > self.asked:
            findings.note(self, f"{issued} generated, and only {self.asked} asked for")
        findings.lost[definition.strategy] += max(0, issued - self._received)
        findings.in_flight[definition.strategy] += self.asked - self._received
        if idle and definition.strategy in EXACT_WHEN_IDLE:
            if found.wasted != self._wasted or (self.asked and moved != highest + 1):
                findings.note(
                    self,
                    f"idle, and {found.wasted - self._wasted} wasted: highest ordinal received "
                    f"{highest}, next {moved}, {definition.strategy}",
                )
        if moved and not self._switched:
            share = Fraction(found.wasted, moved)
            findings.waste[definition.strategy] = max(findings.waste[definition.strategy], share)
        self._generated, self._wasted, self._first = found.generated, found.wasted, moved
        self.asked = self._received = 0
