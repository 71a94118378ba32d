"""What each node says about what it has issued and wasted, held against what its clients received."""

import json

from harness.ledger import BUDGETS

ROUNDING = 1  # a budget is of whole numbers


class Accounts:
    """`violations`, and `lines` for people. `touched`: nodes whose folder was an older copy at some time, or whose
    place a clone took: they have forgotten some of what they issued, and what they dropped is theirs to waste."""

    def __init__(self, world, history, touched):
        self.violations, self.lines = [], []
        self.generated = self.wasted = self.over = self.dropped = 0
        counters = {name: json.loads(text) for name, (text, _) in world.etcd.keys("alloc").items()}
        over_by_node = {}
        for name in world.steps:
            generation = world.definer.generation.get(name, 1)
            passed = self.dispenser(world, history, touched, name, generation, over_by_node)
            self.against_etcd(history, name, generation, passed, counters.get(name))
        for node in world.nodes:
            over, dropped = over_by_node.get(node.node_id, 0), world.watcher.dropped_by(node)
            self.over += over
            self.dropped += dropped
            self.lines.append(f"{node.node_id}: beyond the budgets {over}, of leases dropped {dropped}")
            if over > dropped:
                self.violations.append(("waste", f"{node.node_id} wasted {over} beyond its budgets, but dropped {dropped}"))

    def dispenser(self, world, history, touched, name, generation, over_by_node):
        passed_by_all = 0
        for node in world.nodes:
            info = node.ask(lambda client: client.info(name))
            if info is None or "generated" not in info:
                self.violations.append(("accounts", f"{node.node_id} does not show {name}: {info}"))
                continue
            generated, wasted, left = (int(info[key]) for key in ("generated", "wasted", "segment_left"))
            received = history.received(name, generation, node.node_id)
            unanswered = history.lost[node.node_id, name]
            self.generated += generated
            self.wasted += wasted
            passed_by_all += generated + wasted + left
            budget = BUDGETS[info["auto_disk"]] if name.startswith("keep-") else max(BUDGETS.values()) / 2
            over = max(0, int(wasted - budget * (generated + wasted)) - ROUNDING)
            over_by_node[node.node_id] = over_by_node.get(node.node_id, 0) + over
            text = (f"{node.node_id} {name}/{generation}: generated {generated}, wasted {wasted}, left {left}; "
                    f"received {received}, not answered {unanswered}")
            self.lines.append(text)
            if node.node_id not in touched and not received <= generated + wasted <= received + unanswered + wasted:
                self.violations.append(("accounts", text))
        return passed_by_all

    def against_etcd(self, history, name, generation, passed, counter):
        """Nothing was issued, or is left to be, that etcd has not leased."""
        if counter is None:
            self.violations.append(("accounts", f"{name} has no counter in etcd"))
            return
        step, base = history.steps[name], history.starting[name]
        base = base if generation == 1 else generation * base
        runs = history.runs[name, generation]
        highest = max((run.last for run in runs), default=base - step)
        self.lines.append(f"{name}/{generation}: leased {counter['next']}, of these accounted for by nodes {passed}")
        if (highest - base) // step >= counter["next"]:
            self.violations.append(("accounts", f"{name}: {highest} was issued, but only {counter['next']} are leased"))
        if passed > counter["next"]:
            self.violations.append(("accounts", f"{name}: nodes have {passed}, but only {counter['next']} are leased"))
