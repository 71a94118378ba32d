"""etcd with users and TLS: nodes that may, nodes that may not, and rights that change under a running node."""

import time

import pytest

from harness.certificates import Authority
from harness.resp import Error
from harness.waiting import wait_for
from rig.drawn import Drawn
from rig.node import CONFIGURATION, LAST_FAILURE

USER, PASSWORD = "numbers", "barley"


def as_user(password=PASSWORD):
    return {"env": {"NUMBER_DISPENSER_CLUSTER_USER": USER, "NUMBER_DISPENSER_CLUSTER_PASSWORD": password}}


@pytest.fixture(name="guarded")
def guarded_fixture(etcd):
    etcd.authenticate(USER, PASSWORD)
    return etcd


def check(node, name="x"):
    assert node.command("HSET", name, "type", 3) == 1
    Drawn(name).take(node, 2500)


def test_a_user_with_the_right_password_joins(guarded, join):
    node = join("a", guarded, **as_user())
    check(node)
    assert PASSWORD not in node.log() + str(node.cluster())


def test_a_wrong_password_is_said_and_can_be_mended_in_etcd(guarded, new_node):
    node = new_node("a", guarded, **as_user("wheat"))
    node.spawn()
    wait_for(lambda: "authentication failed" in node.log(), "the log to say why")
    assert "wheat" not in node.log() and node.process.poll() is None
    guarded.change_password(USER, "wheat")
    wait_for(lambda: node.is_gone() or node.state() == "connected", "it to join")
    check(node)


def test_no_user_where_one_is_needed(guarded, new_node):
    node = new_node("a", guarded)
    node.spawn()
    wait_for(lambda: "user name is empty" in node.log(), "the log to say why")


def test_tokens_that_are_no_longer_good_are_asked_for_again(guarded, join):
    node = join("a", guarded, **as_user())
    check(node)
    guarded.forget_tokens()
    assert node.command("HSET", "y", "type", 3) == 1
    Drawn("y").take(node, 3000)


def test_tokens_that_expire_are_asked_for_again(new_etcd, join):
    etcd = new_etcd(options=("--auth-token-ttl", 1)).start()
    etcd.authenticate(USER, PASSWORD)
    nodes = [join(node_id, etcd, **as_user()) for node_id in "ab"]
    check(nodes[0])
    time.sleep(4)
    nodes[0].command("HSET", "later", "type", 3)
    nodes[1].wait_to_know("later")
    Drawn("later").take(nodes[1], 3000)


def test_a_password_that_changes_under_a_running_node(guarded, join):
    node = join("a", guarded, **as_user())
    check(node)
    guarded.change_password(USER, "rye")
    guarded.forget_tokens()
    wait_for(lambda: node.state() == "away", "it to be refused")
    # Leases are good as long as they last.
    assert not isinstance(node.command("GET", "x"), Error)
    guarded.change_password(USER, PASSWORD)
    node.wait_for_state("connected")
    check(node, "y")


def test_rights_of_other_prefixes_are_not_needed(guarded, join):
    node = join("a", guarded, **as_user())
    check(node)
    assert all(key.split("/")[0] in ("def", "alloc", "node", "alive", "changes") for key in guarded.keys())


def tls_options(authority, own=None):
    options = ["--cluster-ca-file", authority.crt]
    if own:
        options += ["--cluster-cert-file", own[0], "--cluster-key-file", own[1]]
    return options


@pytest.mark.parametrize("certificates", [False, True], ids=["server's alone", "both sides"])
def test_tls(new_etcd, join, certificates):
    etcd = new_etcd(tls=True, client_certificates=certificates).start()
    own = etcd.authority.issue("node") if certificates else None
    nodes = [join(node_id, etcd, *tls_options(etcd.authority, own)) for node_id in "ab"]
    check(nodes[0])
    nodes[1].wait_to_know("x")


@pytest.fixture(name="strict")
def strict_fixture(new_etcd):
    """Certificates of both sides, and users."""
    etcd = new_etcd(tls=True, client_certificates=True).start()
    etcd.authenticate(USER, PASSWORD)
    return etcd


def test_users_and_certificates_together(strict, join):
    own = strict.authority.issue("node", subject="/O=node")
    check(join("a", strict, *tls_options(strict.authority, own), **as_user()))


def test_a_certificate_with_a_common_name_is_refused_where_there_are_users(strict, new_node):
    """By etcd, whose gateway cannot pass the name on."""
    own = strict.authority.issue("node")
    node = new_node("a", strict, *tls_options(strict.authority, own), **as_user())
    node.spawn()
    wait_for(lambda: "400" in node.log() or "CommonName" in node.log(), "the log to say why")


def test_an_etcd_of_another_authority_is_not_believed(new_etcd, new_node, tmp_path):
    etcd = new_etcd(tls=True).start()
    node = new_node("a", etcd, *tls_options(Authority(tmp_path, "stranger")))
    node.spawn()
    wait_for(lambda: "certificate" in node.log(), "the log to say why")
    assert etcd.keys() == {}


def test_a_node_without_the_certificate_that_etcd_wants(new_etcd, new_node):
    etcd = new_etcd(tls=True, client_certificates=True).start()
    node = new_node("a", etcd, *tls_options(etcd.authority))
    node.spawn()
    wait_for(lambda: "certificate" in node.log(), "the log to say why")
    assert etcd.keys() == {}


def test_a_certificate_that_goes_bad_under_a_running_node(new_etcd, join, tmp_path):
    etcd = new_etcd(tls=True).start()
    good = etcd.authority
    node = join("a", etcd, *tls_options(good))
    check(node)
    etcd.stop()
    etcd.use_certificates(Authority(tmp_path, "stranger"))
    etcd.start()
    wait_for(lambda: node.state() == "away", "it to be noticed")
    assert not isinstance(node.command("GET", "x"), Error)
    wait_for(lambda: "certificate" in node.cluster()[LAST_FAILURE], "the reason")
    etcd.stop()
    etcd.use_certificates(good)
    etcd.start()
    node.wait_for_state("connected")
    check(node, "y")


@pytest.mark.parametrize("option", ["--cluster-ca-file", "--cluster-cert-file"])
def test_files_that_are_not_there_are_refused_at_the_start(new_node, tmp_path, option):
    missing = tmp_path / "missing.pem"
    options = [option, missing]
    if option == "--cluster-cert-file":
        options += ["--cluster-key-file", missing]
    ended = new_node("a", ["https://127.0.0.1:1"], *options).refused()
    assert ended.status == CONFIGURATION and str(missing) in ended.stderr, ended
