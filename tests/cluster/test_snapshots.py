"""A snapshot of a node's file system, started on the same machine, issues nothing that the node issues."""

from rig.drawn import Drawn
from rig.node import IN_USE


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
