"""What must hold of a history, whatever went wrong: (kind, text) of each violation."""

import re
from collections import defaultdict, namedtuple

from history import GENERATION, Lost, Refusal, Reply, read

FOLLOW_NS = 1_000_000_000  # a definition is followed within 100 ms; the machine may be busy
TROUBLE_NS = 5_000_000_000  # that a fault goes on to be felt
EXCERPT = 8

Run = namedtuple("Run", "first last asked done who connection")


class History:
    """`who` is a node id, or that of a clone; only whole records are kept."""

    def __init__(self, steps, starting):
        self.steps, self.starting = steps, starting
        self.runs = defaultdict(list)  # (name, generation): runs
        self.refusals, self.lost, self.replies, self.numbers = defaultdict(int), defaultdict(int), 0, 0

    def generation(self, name, number):
        return 1 if self.starting[name] < GENERATION else number // GENERATION

    def load(self, who, path):
        for record in read(path, self.steps):
            self.add(who, record)
        return self

    def add(self, who, record):
        if isinstance(record, Reply):
            self.replies += 1
            for first, last in record.runs:
                self.numbers += (last - first) // self.steps[record.name] + 1
                key = (record.name, self.generation(record.name, first))
                self.runs[key].append(Run(first, last, record.asked, record.done, who, record.connection))
        elif isinstance(record, Refusal):
            self.refusals[re.sub(r"\d+", "N", record.text)] += 1
        elif isinstance(record, Lost):
            self.lost[(who, record.name)] += record.count

    def received(self, name, generation, who):
        step = self.steps[name]
        return sum((run.last - run.first) // step + 1 for run in self.runs[name, generation] if run.who == who)


def duplicates(history):
    """No number of a definition twice, whoever issued it; and none beside the definition's steps."""
    found = []
    for (name, generation), runs in history.runs.items():
        step, base = history.steps[name], history.starting[name]
        base = base if base < GENERATION else generation * GENERATION
        furthest = None
        for run in sorted(runs):
            if (run.first - base) % step or run.first < base:
                found.append(("off the steps", f"{name}/{generation}: {show(run)}"))
            if furthest and run.first <= furthest.last:
                found.append(("duplicate", f"{name}/{generation}: {show(furthest)}\n      and {show(run)}"))
            if furthest is None or run.last > furthest.last:
                furthest = run
    return found


def disorder(history):
    """On one process, a reply that was there before another was asked for has the smaller number."""
    found = []
    for (name, generation), runs in history.runs.items():
        by_process = defaultdict(list)
        for run in runs:
            by_process[run.who].append(run)
        for own in by_process.values():
            done = sorted(own, key=lambda run: run.done)
            at, highest = 0, None
            for run in sorted(own, key=lambda run: run.asked):
                while at < len(done) and done[at].done < run.asked:
                    if highest is None or done[at].last > highest.last:
                        highest = done[at]
                    at += 1
                if highest and run.first <= highest.last:
                    found.append(("order", f"{name}/{generation}: {show(highest)}\n      then {show(run)}"))
    return found


def stale_generations(history, acknowledged, windows):
    """After an acknowledged definition no number of the ones before it, from whom it was acknowledged by; from the
    other nodes not for longer than it takes to follow, unless something was wrong with them or with etcd."""
    found, late = [], []
    for name, generation, node_id, _, done in acknowledged:
        for older in (key for key in history.runs if key[0] == name and key[1] < generation):
            for run in history.runs[older]:
                if run.asked <= done:
                    continue
                after = run.asked - done
                if run.who == node_id:
                    found.append(("old generation", f"{name}/{generation} acknowledged at {done} by {node_id}: {show(run)}"))
                elif is_troubled(run.who, done, run.asked, windows):
                    late.append((after, False))
                elif after > FOLLOW_NS:
                    found.append(("old generation", f"{name}/{generation} acknowledged at {done} by {node_id}: {show(run)}"))
                else:
                    late.append((after, True))
    return found, late


def is_troubled(who, begin, end, windows):
    """Whether a fault of this node's, or of etcd, was felt between these times."""
    for _, whom, first, last in windows:
        if whom not in (who, "*") and not who.startswith(f"{whom}-"):
            continue
        if first <= end and (last or end) + TROUBLE_NS >= begin:
            return True
    return False


def show(run):
    return (f"{run.first}..{run.last} from {run.who} on connection {run.connection}, "
            f"asked {run.asked}, there {run.done}")


def excerpt(found):
    """For people: of each kind the first ones."""
    by_kind = defaultdict(list)
    for kind, text in found:
        by_kind[kind].append(text)
    lines = []
    for kind, texts in by_kind.items():
        lines.append(f"{kind}: {len(texts)}")
        lines += [f"    {text}" for text in texts[:EXCERPT]]
    return "\n".join(lines)
