"""Fixtures of the tests of a cluster: real etcd, nodes and proxies, all of them ended after each test."""

import importlib.util
import sys
from pathlib import Path

import pytest

_END_TO_END = Path(__file__).resolve().parents[1] / "e2e"
sys.path.insert(0, str(_END_TO_END))

_spec = importlib.util.spec_from_file_location("e2e_conftest", _END_TO_END / "conftest.py")
_e2e = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_e2e)

# Taken over from there by name, which is how pytest finds them here.
pytest_configure = _e2e.pytest_configure
pytest_collection_modifyitems = _e2e.pytest_collection_modifyitems
new_server_fixture = _e2e.new_server_fixture
start_fixture = _e2e.start_fixture
name_fixture = _e2e.name_fixture
chance_fixture = _e2e.chance_fixture
shared_fixture = _e2e.shared_fixture

from rig.etcd import Etcd, missing  # noqa: E402
from rig.node import Node  # noqa: E402
from rig.proxy import Proxy  # noqa: E402
from rig import subvolumes  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def _etcd_is_installed():
    if missing():
        pytest.skip(f"not installed: {' '.join(missing())} (apt-get install etcd-server etcd-client)")


@pytest.fixture(name="new_etcd")
def new_etcd_fixture():
    """Makes etcds, not started, for one test."""
    made = []

    def new_etcd(*arguments, **settings):
        made.append(Etcd(*arguments, **settings))
        return made[-1]

    yield new_etcd
    for etcd in made:
        etcd.discard()


@pytest.fixture(name="etcd")
def etcd_fixture(new_etcd):
    """One member, started."""
    return new_etcd().start()


@pytest.fixture(scope="module", name="shared_etcd")
def shared_etcd_fixture():
    """One for all tests of a file that leave nothing behind but dispensers."""
    etcd = Etcd()
    try:
        yield etcd.start()
    finally:
        etcd.discard()


@pytest.fixture(scope="module", name="trio")
def trio_fixture(shared_etcd):
    """Three nodes for all tests of a file that leave nothing behind but dispensers."""
    nodes = [Node(node_id, shared_etcd.endpoints) for node_id in "abc"]
    try:
        yield [node.start() for node in nodes]
    finally:
        _e2e._end(nodes)


@pytest.fixture(name="new_node")
def new_node_fixture(new_server):
    """new_node(id, etcd or endpoints, options) makes nodes, not started, for one test."""

    def new_node(node_id, etcd, *options, **settings):
        endpoints = etcd.endpoints if isinstance(etcd, Etcd) else etcd
        return new_server.adopt(Node(node_id, endpoints, *options, **settings))

    new_node.adopt = new_server.adopt
    return new_node


@pytest.fixture(name="join")
def join_fixture(new_node):
    """The same, started."""
    return lambda *arguments, **settings: new_node(*arguments, **settings).start()


@pytest.fixture(name="new_proxy")
def new_proxy_fixture():
    """new_proxy(member) is a way to one member of etcd."""
    made = []

    def new_proxy(member):
        made.append(Proxy(member.client_port))
        return made[-1]

    yield new_proxy
    for proxy in made:
        proxy.discard()


@pytest.fixture(name="btrfs")
def btrfs_fixture(tmp_path):
    """A btrfs of its own. To be named before the nodes that are on it, so that it outlives them."""
    if why := subvolumes.missing():
        pytest.skip(why)
    mounted = subvolumes.Subvolumes(tmp_path)
    yield mounted
    mounted.discard()
