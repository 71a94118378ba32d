"""What goes wrong: one thing after the other, some of them at the same time, each ended after a while."""

import random
import shutil
import signal
import time

from rig.node import IN_USE
from subject import Clients, marks_in

COPY_AGE_S = 5.0  # younger copies may be of the same mark: number-dispenser-cluster(7)
COPIES_KEPT = 6


class Nemesis:
    """`step()` again and again; `heal()` at the end. Violations that it sees itself are in `violations`."""

    def __init__(self, world, seed, long):
        self.w, self.chance, self.long = world, random.Random(seed), long
        self.busy = {}  # who: (when it is over, what ends it)
        self.copies = {node.node_id: [] for node in world.nodes}
        self.next_copy, self.copy_number, self.clones = 0.0, 0, []
        self.violations, self.clone_records, self.touched = [], [], set()
        self.is_healing = False
        self.node_faults = {
            self.kill: 5, self.kill_without_counters: 4, self.stop: 4, self.pause: 4, self.cut_off: 5,
            self.cut_from_one: 2, self.slow_node: 2, self.restore: 12, self.clone_beside: 1, self.clone_instead: 2,
            self.move_clock: 4,
        }
        self.etcd_faults = {
            self.member_killed: 3, self.member_paused: 3, self.member_cut: 3, self.member_slow: 1,
            self.majority_killed: 1, self.majority_paused: 1, self.compact: 2,
        }

    # --- the course of things ---

    def step(self):
        now = time.monotonic()
        for who, (end, finish) in list(self.busy.items()):
            if now >= end:
                del self.busy[who]
                finish()
        self.look_after_nodes()
        if now >= self.next_copy:
            self.next_copy = now + self.chance.uniform(0.5, 2)
            self.copy(self.chance.choice(self.w.nodes))
        if now < getattr(self, "next_fault", 0):
            return
        self.next_fault = now + self.chance.uniform(0.1, 1.0)
        nodes = [node for node in self.w.nodes if node.node_id not in self.busy]
        if self.chance.random() < 0.25 and "etcd" not in self.busy:
            self.pick(self.etcd_faults)()
        elif len(nodes) > 1:
            self.pick(self.node_faults)(self.chance.choice(nodes))

    def pick(self, faults):
        return self.chance.choices(list(faults), list(faults.values()))[0]

    def hold(self, who, seconds, finish):
        self.busy[who] = (time.monotonic() + seconds, finish)

    def timed(self, kind, who, seconds, undo, detail=""):
        """A fault that lasts; what undoes it."""
        window = self.w.events.begin(kind, who, detail or f"{seconds:.1f} s")

        def finish():
            undo()
            self.w.events.end(window)

        self.hold("etcd" if who == "*" or who.startswith("m") else who, seconds, finish)

    def look_after_nodes(self):
        """One that ended by itself is started again, where it had a reason to end."""
        for node in self.w.nodes:
            if node.process is None or node.process.poll() is None or node.node_id in self.busy:
                continue
            ended = node.wait()
            self.w.events.say(f"ended {node.node_id} with {ended.status}: {last_line(ended)}")
            if ended.status != IN_USE:
                self.violations.append(f"{node.node_id} ended with {ended.status}: {ended.stderr[-2000:]}")
            self.down(node, "ended", 0.5)

    def down(self, node, kind, seconds):
        """It does not run; it is started after a while."""
        window = self.w.events.begin(kind, node.node_id, f"for {seconds:.1f} s") if kind != "ended" else (
            self.w.events.begin("superseded", node.node_id))

        def finish():
            node.spawn()
            self.w.events.end(window)
            if not self.is_healing and self.chance.random() < 0.25:
                # It may have joined by then, or still be waiting, for etcd or for the run before to be forgotten.
                self.hold(node.node_id, self.chance.uniform(0.05, 4), lambda: self.kill_soon_after(node))

        self.hold(node.node_id, seconds, finish)

    def off_time(self):
        return self.chance.choice((0.0, self.chance.uniform(0, 3)))

    # --- nodes ---

    def kill(self, node):
        self.w.watcher.look(node)
        node.kill9()
        self.down(node, "killed", self.off_time())

    def kill_soon_after(self, node):
        node.kill9()
        self.down(node, "killed soon after its start", 0.0)

    def kill_without_counters(self, node):
        self.w.watcher.look(node)
        node.kill9()
        node.lose_counters()
        self.down(node, "killed, counters lost", self.off_time())

    def stop(self, node):
        self.w.watcher.look(node)
        node.process.send_signal(signal.SIGTERM)
        ended = node.wait()
        began = ended.stderr != ""  # before that a signal finds no handler
        if ended.status not in (0, IN_USE) and (began or ended.status != -signal.SIGTERM):
            self.violations.append(f"{node.node_id} was stopped and ended with {ended.status}: {ended.stderr[-2000:]}")
        self.down(node, "stopped", self.off_time())

    def pause(self, node):
        seconds = self.chance.uniform(0.5, 7)
        if self.long and self.chance.random() < 0.3:
            seconds = self.chance.uniform(31, 45)
        node.pause()
        self.timed("paused" if seconds < 30 else "paused > 30 s", node.node_id, seconds, node.resume)

    def cut_off(self, node):
        self.w.network.cut(node.node_id, self.w.member_names)

        def mend():
            if self.chance.random() < 0.4:
                self.compact()
            self.w.network.mend(node.node_id)

        self.timed("cut off from etcd", node.node_id, self.chance.uniform(1, 20 if self.long else 10), mend)

    def cut_from_one(self, node):
        self.w.network.cut(node.node_id, [self.chance.choice(self.w.member_names)])
        self.timed("cut off from one member", node.node_id, self.chance.uniform(1, 8),
                   lambda: self.w.network.mend(node.node_id))

    def slow_node(self, node):
        self.w.network.slow(node.node_id, self.chance.choice((20, 100, 400)))
        self.timed("slow network", node.node_id, self.chance.uniform(2, 8),
                   lambda: self.w.network.quicken(node.node_id))

    def move_clock(self, node):
        if not node.has_clock:
            return
        seconds = self.chance.choice((-1, 1)) * self.chance.choice((1, 60, 86400, 86400 * 365))
        node.move_clock(seconds)
        self.w.events.begin("clock moved", node.node_id, f"by {seconds} s")[3] = time.monotonic_ns()

    # --- copies ---

    def copy(self, node):
        """As a backup program makes it, without asking anybody; of what runs and of what does not."""
        if self.copy_number and not (node.data / "dispensers.state").exists():
            return
        folder = self.w.home / f"copy.{self.copy_number}"
        self.copy_number += 1
        shutil.copytree(node.data, folder)
        copies = self.copies[node.node_id]
        copies.append((time.monotonic(), folder))
        if len(copies) > COPIES_KEPT:
            _, old = copies.pop(self.chance.randrange(len(copies)))
            shutil.rmtree(old)

    def restore(self, node):
        old = [one for one in self.copies[node.node_id] if time.monotonic() - one[0] >= COPY_AGE_S]
        if not old:
            return self.kill(node)
        taken, folder = self.chance.choice(old)
        self.w.watcher.look(node)
        how = self.chance.choice(("stopped", "killed", "killed, counters lost"))
        if how == "stopped":
            node.process.send_signal(signal.SIGTERM)
            node.wait()
        else:
            node.kill9()
        if how == "killed, counters lost":
            node.lose_counters()
        # Without counters a copy over the same file is told apart by its mark alone, if that has moved.
        known = self.w.mark_in_etcd(node)
        has_moved = known is not None and known not in marks_in(folder)
        in_place = has_moved and self.chance.random() < 0.7
        node.put_back(folder, in_place)
        self.touched.add(node.node_id)
        kind = f"restored {'over the old files' if in_place else 'as new files'}"
        self.w.events.say(f"{node.node_id} was {how}; its copy is {time.monotonic() - taken:.1f} s old"
                          f"{'' if has_moved else ', and of the mark that etcd has'}")
        return self.down(node, kind, self.off_time())

    def draw_from(self, clone):
        record = self.w.home / f"record.{clone.node_id}-clone-{len(self.clone_records)}"
        self.clone_records.append(record)
        return Clients(clone, record, self.chance.randrange(1 << 30), self.w.steps)

    def clone_beside(self, node):
        """Beside the node: it has to be refused."""
        if not (node.data / "dispensers.state").exists():
            return
        clone = node.clone_beside(with_run=self.chance.random() < 0.5)
        clone.spawn()
        clients = self.draw_from(clone)
        self.clones.append(clone)
        self.timed("cloned beside", node.node_id, self.chance.uniform(35, 40) if self.long else 5,
                   lambda: self.end_clone(clone, clients, self.long))

    def clone_instead(self, node):
        """While the node is paused its clone takes its place; when it wakes, it has to end."""
        clone = node.clone_beside(with_run=self.chance.random() < 0.5)
        self.clones.append(clone)
        node.pause()
        clone.spawn()
        clients = self.draw_from(clone)
        self.touched.add(node.node_id)

        def wake():
            served = clone.is_up()
            node.resume()
            self.w.events.say(f"the clone of {node.node_id} {'has taken its place' if served else 'does not serve'}")
            self.hold(node.node_id, 4, lambda: done(served))

        def done(served):
            if served and node.process.poll() is None and "etcd" not in self.busy:
                self.w.events.say(f"{node.node_id} and its clone both run")
            self.end_clone(clone, clients, False)

        self.timed("cloned while paused", node.node_id, self.chance.uniform(14, 18), wake)

    def end_clone(self, clone, clients, must_have_ended):
        if clone.process is not None:
            gone = clone.process.poll() is not None
            if must_have_ended and not gone:
                self.w.events.say(f"the clone of {clone.node_id} runs still")
            ended = clone.wait() if gone else clone.stop()
            self.w.events.say(f"the clone of {clone.node_id} ended with {ended.status}: {last_line(ended)}")
            if ended.status not in (0, IN_USE):
                self.violations.append(f"a clone ended with {ended.status}: {ended.stderr[-2000:]}")
        clients.end()
        self.clones.remove(clone)
        clone.discard()

    # --- etcd ---

    def member_killed(self, count=1, kind="member killed"):
        who = self.chance.sample(range(3), count)
        self.w.etcd.kill(*who)
        self.timed(kind, "*", self.chance.uniform(0.5, 6), lambda: self.w.etcd.spawn(*who),
                   f"m{who}")

    def member_paused(self, count=1, kind="member paused"):
        who = self.chance.sample(range(3), count)
        self.w.etcd.pause(*who)
        self.timed(kind, "*", self.chance.uniform(0.5, 8), lambda: self.w.etcd.resume(*who), f"m{who}")

    def majority_killed(self):
        self.member_killed(self.chance.choice((2, 3)), "majority killed")

    def majority_paused(self):
        self.member_paused(self.chance.choice((2, 3)), "majority paused")

    def member_cut(self):
        name = self.chance.choice(self.w.member_names)
        self.w.network.cut(name, [other for other in self.w.member_names if other != name])
        self.timed("member cut off from the others", "*", self.chance.uniform(1, 8),
                   lambda: self.w.network.mend(name), name)

    def member_slow(self):
        name = self.chance.choice(self.w.member_names)
        self.w.network.slow(name, self.chance.choice((20, 100)))
        self.timed("slow network of a member", "*", self.chance.uniform(2, 6),
                   lambda: self.w.network.quicken(name), name)

    def compact(self):
        """What has changed so far is no longer told to those who ask for it."""
        try:
            self.w.etcd.ctl("compact", self.w.etcd.revision())
        except AssertionError:
            return
        self.w.events.begin("history compacted", "etcd")[3] = time.monotonic_ns()

    def heal(self):
        """Everything is undone, and everyone runs."""
        self.is_healing = True
        while self.busy:
            for who, (_, finish) in list(self.busy.items()):
                del self.busy[who]
                finish()
        self.look_after_nodes()
        while self.busy:
            for who, (_, finish) in list(self.busy.items()):
                del self.busy[who]
                finish()


def last_line(ended):
    return ended.lines[-1][:160] if ended.lines else ""
