"""A snapshot of a node's file system, started on the same machine, issues nothing that the node issues."""

from harness.resp import encode
from harness.waiting import TIMEOUT_S
from rig.drawn import Drawn
from rig.node import IN_USE
from rig.takeover import MARK_MOVES_S, draw_for, note_the_rest, start_when_free


def test_a_snapshot_started_beside_its_node_is_refused(etcd, join, new_node):
    """With the run folder of the node, whose live counters would be taken for a killed run's."""
    node = join("a", etcd)
    node.command("HSET", "x", "type", 3)
    drawn = Drawn("x")
    drawn.take(node, 120)
    snapshot = new_node.adopt(node.clone())
    snapshot.run.rmdir()
    snapshot.run = node.run
    ended = snapshot.refused()
    assert ended.status == IN_USE and "copy of this state file" in ended.stderr, ended
    drawn.take(node, 120)
    node.kill9()
    node.start()
    drawn.take(node, 120)
    assert node.info("x")["wasted"] == "0"


def test_a_snapshot_of_a_sleeping_nodes_file_system_has_no_leases(btrfs, etcd, new_node):
    """Its files have the inodes and times of the node's, and its live counters are not seen from another folder."""
    node, snapshot = new_node("a", etcd), new_node("a", etcd)
    node.data = btrfs.create("original")
    node.start()
    node.command("HSET", "x", "type", 3, "auto_disk", "pre_close")
    drawn = Drawn("x")
    draw_for(node, drawn, MARK_MOVES_S)
    sleeper = node.connect(timeout_s=TIMEOUT_S)
    node.pause()
    try:
        # What the sleeper will read first when it wakes.
        sleeper.send(encode("GET", "x") * 200)
        snapshot.data = btrfs.snapshot(node.data, "snapshot")
        start_when_free(snapshot)
        drawn.take(snapshot, 500)
    finally:
        node.resume()
    note_the_rest(sleeper, drawn)
    ended = node.wait()
    assert ended.status == IN_USE, ended
    drawn.take(snapshot, 200)
