"""What the tests of a cluster stand on: etcd, nodes, the way between them, and what was drawn."""
