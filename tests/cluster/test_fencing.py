"""Old leases are never issued from: restored and copied data directories, two processes with one node id, and
processes that slept."""

import os
import shutil
import time

import pytest

from harness.resp import Error, encode
from harness.waiting import TIMEOUT_S, wait_for
from rig.drawn import Drawer, Drawn
from rig.node import DROPPED, IN_USE, NOT_OURS, Restless
from rig.takeover import GIVES_UP_S, MARK_MOVES_S, answers, draw_for, note_the_rest, start_when_free

ALIVE_TTL_S = 10


def outdate(etcd, node, drawn, each=50):
    """Draws until what was copied before is old: the node's mark in etcd has moved on, and once more for the move
    that may have been under way."""
    marks = set()

    def has_moved():
        drawn.take(node, each)
        marks.add(etcd.keys("node")[node.node_id][0])
        return len(marks) > 2

    wait_for(has_moved, f"the mark of {node.node_id} to move")


def put_back(copy, node, in_place):
    """The old files instead of those there: created anew, or written over, which keeps their inodes."""
    if not in_place:
        shutil.rmtree(node.data)
        shutil.copytree(copy, node.data)
        return
    for path in copy.iterdir():
        target = node.data / path.name
        with path.open("rb") as source, open(target, "r+b") as file:
            file.write(source.read())
            file.truncate()
            os.fsync(file.fileno())


LONG = pytest.mark.long


@pytest.mark.parametrize("ended, in_place", [
    ("stopped", True),
    pytest.param("killed", False, marks=LONG),
    pytest.param("stopped", False, marks=LONG),
    pytest.param("killed", True, marks=LONG),
    pytest.param("killed without counters", False, marks=LONG),
    pytest.param("killed without counters", True, marks=LONG),
])
def test_a_restored_directory_cannot_issue_old_numbers(etcd, join, tmp_path, in_place, ended):
    node, other = join("a", etcd), join("b", etcd)
    for name, strategy in (("x", "elegant_close"), ("y", "pre-base")):
        node.command("HSET", name, "type", 3, "auto_disk", strategy)
        other.wait_to_know(name)
    drawn = [Drawn("x"), Drawn("y")]
    for one in drawn:
        one.take(node, 100)
    assert node.stop().status == 0
    backup = tmp_path / "backup"
    shutil.copytree(node.data, backup)
    node.start()
    for one in drawn:
        outdate(etcd, node, one)
        one.take(other, 100)
    if ended == "stopped":
        assert node.stop().status == 0
    else:
        node.kill9()
    if ended == "killed without counters":
        for path in node.run.iterdir():
            path.unlink()
    put_back(backup, node, in_place)
    node.start()
    for one in drawn:
        one.take(node, 300)
        one.take(other, 300)
    # What was left of the old leases is written off, and said.
    assert int(node.cluster()[DROPPED]) > 0


def test_a_directory_restored_twice_is_found_twice(etcd, join, tmp_path):
    node = join("a", etcd)
    node.command("HSET", "x", "type", 3)
    drawn = Drawn("x")
    drawn.take(node, 100)
    node.stop()
    backup = tmp_path / "backup"
    shutil.copytree(node.data, backup)
    for _ in range(2):
        node.start()
        drawn.take(node, 150)
        node.stop()
        put_back(backup, node, in_place=True)
    node.start()
    drawn.take(node, 150)


def test_a_copy_made_while_the_node_runs_is_fenced(etcd, join, tmp_path):
    """As a backup program makes it, without asking anybody."""
    node = join("a", etcd)
    node.command("HSET", "x", "type", 3, "auto_disk", "pre_close")
    drawn = Drawn("x")
    drawn.take(node, 200)
    backup = tmp_path / "backup"
    shutil.copytree(node.data, backup)
    outdate(etcd, node, drawn)
    node.kill9()
    put_back(backup, node, in_place=False)
    node.start()
    drawn.take(node, 500)


def test_an_older_copy_that_is_killed_before_it_joins_stays_an_older_copy(etcd, join, tmp_path):
    """Its second start finds the live counters of the first, which had counted nothing but what the copy says."""
    node = join("a", etcd)
    node.command("HSET", "x", "type", 3, "auto_disk", "pre_close")
    drawn = Drawn("x")
    drawn.take(node, 50)
    backup = tmp_path / "backup"
    shutil.copytree(node.data, backup)
    outdate(etcd, node, drawn, each=2)
    node.kill9()
    for path in node.run.iterdir():
        path.unlink()
    put_back(backup, node, in_place=True)
    kill_while_it_waits(node)
    node.start()
    drawn.take(node, 200)


def test_a_moved_directory_whose_original_is_killed_before_it_joins_has_one_heir(etcd, join, new_node):
    node = join("a", etcd)
    node.command("HSET", "x", "type", 3)
    drawn = Drawn("x")
    drawn.take(node, 120)
    assert node.stop().status == 0
    clone = new_node.adopt(node.clone())
    clone.start()
    drawn.take(clone, 120)
    kill_while_it_waits(node)
    node.spawn()
    wait_for(lambda: "in use" in node.log(), "it to wait again")
    assert isinstance(answers(node, "GET", "x"), Error)
    drawn.take(clone, 120)
    assert clone.stop().status == 0
    node.wait_for_state("connected")
    drawn.take(node, 120)


def kill_while_it_waits(node):
    node.spawn()
    wait_for(lambda: "in use" in node.log(), "it to wait")
    node.kill9()


def test_a_second_process_with_a_running_nodes_id_is_refused(etcd, join, new_node):
    node = join("a", etcd)
    node.command("HSET", "x", "type", 3)
    drawn = Drawn("x")
    drawn.take(node, 50)
    others = [new_node("a", etcd), new_node.adopt(node.clone(with_run=True))]
    for other in others:
        other.spawn()
    for other in others:
        wait_for(lambda other=other: "in use" in other.log(), "the log to say so")
        reply = wait_for(lambda other=other: answers(other, "GET", "x"), "an answer")
        assert isinstance(reply, Error), reply
    # The first one has not noticed.
    drawn.take(node, 50)
    assert node.info("x")["wasted"] == "0"
    if os.environ.get("ND_LONG") == "1":
        wait_for(lambda: all(other.is_gone() for other in others), "them to give up", GIVES_UP_S)
    for other in others:
        ended = other.wait() if other.is_gone() else other.stop()
        assert ended.status in (0, IN_USE), ended


def test_two_processes_on_one_directory_are_refused_as_ever(etcd, join, new_node):
    node = join("a", etcd)
    second = new_node("b", etcd)
    second.data = node.data
    assert second.refused().status == IN_USE


def test_a_clone_with_another_id_is_refused(etcd, join, new_node):
    node = join("a", etcd)
    node.command("HSET", "x", "type", 3)
    outdate(etcd, node, Drawn("x"))
    node.stop()
    ended = new_node.adopt(node.clone(node_id="b")).refused()
    assert ended.status == NOT_OURS, ended


def test_of_a_stopped_node_and_its_clone_one_goes_on_with_the_leases(etcd, join, new_node):
    """As when a data directory moves to another machine."""
    node = join("a", etcd)
    node.command("HSET", "x", "type", 3)
    drawn = Drawn("x")
    drawn.take(node, 120)
    assert node.stop().status == 0
    clone = new_node.adopt(node.clone())
    clone.start()
    drawn.take(clone, 120)
    assert clone.stop().status == 0
    # The original's directory is now the older one.
    node.start()
    drawn.take(node, 120)
    assert len(drawn.numbers) == 360


def test_a_lost_directory_is_replaced_by_an_empty_one(etcd, join, new_node):
    node = join("a", etcd)
    node.command("HSET", "x", "type", 3)
    drawn = Drawn("x")
    drawn.take(node, 120)
    assert node.stop().status == 0
    new = new_node("a", etcd)
    new.start()
    drawn.take(new, 120)
    assert new.stop().status == 0
    # If it turns up again, it is old.
    node.start()
    drawn.take(node, 120)


@pytest.mark.parametrize("copied", [pytest.param("before the pause", marks=LONG), "during the pause"])
def test_a_process_that_slept_while_another_took_its_place_is_harmless(etcd, join, new_node, copied):
    node, other = join("a", etcd), join("b", etcd)
    node.command("HSET", "x", "type", 3, "auto_disk", "pre_close")
    other.wait_to_know("x")
    drawn = Drawn("x")
    drawn.take(node, 300)
    clone = new_node.adopt(node.clone(with_run=True)) if copied == "before the pause" else None
    draw_for(node, drawn, 1.5)
    sleeper = node.connect(timeout_s=TIMEOUT_S)
    node.pause()
    try:
        # What the sleeper will read first when it wakes.
        sleeper.send(encode("GET", "x") * 200)
        if clone is None:
            clone = new_node.adopt(node.clone(with_run=True))
        start_when_free(clone)
        drawn.take(clone, 500)
        drawn.take(other, 500)
    finally:
        node.resume()
    note_the_rest(sleeper, drawn)
    ended = node.wait()
    assert ended.status == IN_USE, ended
    drawn.take(clone, 200)


@pytest.mark.long
def test_a_process_that_slept_for_minutes_goes_on_if_nobody_took_its_place(etcd, join):
    node, other = join("a", etcd), join("b", etcd)
    node.command("HSET", "x", "type", 3)
    other.wait_to_know("x")
    drawn = Drawn("x")
    drawn.take(node, 100)
    node.pause()
    end = time.monotonic() + 120
    while time.monotonic() < end:
        drawn.take(other, 10)
        time.sleep(1)
    node.resume()
    wait_for(lambda: node.state() == "connected", "it to be back")
    drawn.take(node, 2000)
    drawn.take(other, 100)


@pytest.mark.parametrize("drawn_before", [pytest.param(False, marks=LONG), True])
def test_an_etcd_put_back_from_a_snapshot_is_refused(etcd, join, tmp_path, drawn_before):
    """Its counters are behind what the nodes have issued; the cluster's id is the same."""
    node, other = join("a", etcd), join("b", etcd)
    node.command("HSET", "x", "type", 3)
    other.wait_to_know("x")
    drawn = Drawn("x")
    if drawn_before:
        draw_for(node, drawn, 1.5)
        draw_for(other, drawn, 1.5)
    etcd.ctl("snapshot", "save", tmp_path / "snapshot")
    for one in (node, other):
        kept = etcd.leased("x")
        wait_for(lambda one=one, kept=kept: drawn.take(one, 2000) and etcd.leased("x") > kept, "it to lease more")
    for one in (node, other):
        assert one.stop().status == 0
    etcd.restore(tmp_path / "snapshot")
    for one in (node, other):
        ended = one.refused()
        assert ended.status == NOT_OURS and "restored" in ended.stderr, ended


def test_nothing_ever_lowers_an_allocation_counter(etcd, join, tmp_path):
    node = join("a", etcd)
    node.command("HSET", "x", "type", 3)
    drawn, counters = Drawn("x"), [etcd.leased("x")]
    node.stop()
    backup = tmp_path / "backup"
    shutil.copytree(node.data, backup)
    for turn in range(4):
        node.start()
        drawn.take(node, 1500)
        counters.append(etcd.leased("x"))
        node.stop() if turn % 2 else node.kill9()
        if turn == 1:
            put_back(backup, node, in_place=False)
    assert counters == sorted(counters), counters


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
def test_nodes_that_are_killed_again_and_again(etcd, join, chance, seed):
    """Two of three nodes are killed at random times, some of them without their live counters."""
    nodes = [join(node_id, etcd) for node_id in "abc"]
    nodes[0].command("HSET", "x", "type", 3, "auto_disk", "pre_close")
    for node in nodes:
        node.wait_to_know("x")
    drawn = Drawn("x")
    drawers = [Drawer(Restless(node), drawn, pace_s=0.001) for node in nodes for _ in range(2)]
    for drawer in drawers:
        drawer.start()
    for _ in range(12):
        time.sleep(chance.uniform(0.2, 2))
        victim = nodes[chance.randrange(2)]
        victim.kill9()
        if chance.random() < 0.3:
            for path in victim.run.iterdir():
                path.unlink()
        victim.start()
    for drawer in drawers:
        drawer.end()
    assert len(drawn.numbers) > 1000
