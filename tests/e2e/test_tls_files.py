"""The files of TLS: what is wrong with one is said in a line; SIGHUP reads them again."""

import json
import os
import shutil
import signal
import ssl
import subprocess

import pytest

from harness import places
from harness.server import run_binary
from harness.tls import TlsServer
from harness.waiting import wait_for

PERMISSION, CONFIGURATION = 77, 78


@pytest.fixture(name="tls")
def tls_fixture(new_server):
    """A server with a TLS port, not started."""
    return TlsServer(new_server())


def refusal(tls, *options):
    """The one line with which a start and --check-config refuse; later options outrank earlier."""
    arguments = (*tls.server.arguments(), *options)
    ended = [run_binary(*arguments), run_binary(*arguments, "--check-config")]
    assert ended[0].status == ended[1].status
    lines = [end.lines[-1].partition("error: ")[2] for end in ended]
    assert lines[0] == lines[1] and lines[0]
    assert len(ended[1].lines) == 1 and not ended[1].stdout
    return ended[0].status, lines[0]


def test_good_files_pass_the_check(tls):
    ended = run_binary(*tls.server.arguments(), "--check-config")
    assert (ended.status, ended.stderr) == (0, "")
    assert f"tls:127.0.0.1:{tls.port}" in ended.stdout


@pytest.mark.parametrize(
    "option", ["--tls-cert-file", "--tls-key-file", "--tls-ca-cert-file", "--tls-ca-cert-dir"]
)
def test_a_missing_file_is_named(tls, option):
    status, line = refusal(tls, option, "/nowhere/file.pem")
    assert status == CONFIGURATION
    assert line.startswith(f"{option}: cannot read /nowhere/file.pem"), line


def test_a_key_of_another_certificate_is_refused(tls):
    _, key = tls.authority.issue("other")
    status, line = refusal(tls, "--tls-key-file", key)
    assert status == CONFIGURATION
    assert "does not belong to the certificate" in line and str(key) in line


def test_an_expired_certificate_is_refused_with_its_date(tls):
    crt, key = tls.authority.issue("old", begin="20200101000000Z", end="20210101000000Z")
    status, line = refusal(tls, "--tls-cert-file", crt, "--tls-key-file", key)
    assert status == CONFIGURATION
    assert line.endswith("expired on 2021-01-01 00:00:00 UTC: renew it")


def test_an_encrypted_key_needs_its_password(tls):
    crt, key = tls.authority.issue("locked", password="sesame")
    files = ("--tls-cert-file", crt, "--tls-key-file", key)
    assert "give its password with --tls-key-file-pass" in refusal(tls, *files)[1]
    wrong = refusal(tls, *files, "--tls-key-file-pass", "barley")[1]
    assert "not with the password" in wrong and "barley" not in wrong
    tls.server.options = (*tls.server.options, *files)
    tls.server.env = {"NUMBER_DISPENSER_TLS_KEY_FILE_PASS": "sesame"}
    tls.start()
    assert tls.redis_cli("PING") == "PONG"
    shown = tls.redis_cli("CONFIG", "GET", "*")
    assert "tls-key-file" in shown and "sesame" not in shown and "pass" not in shown
    assert "sesame" not in tls.server.log()


def test_unknown_ciphers_and_versions_are_refused(tls):
    assert "NO-SUCH" in refusal(tls, "--tls-ciphers", "NO-SUCH")[1]
    assert "TLS_NO" in refusal(tls, "--tls-ciphersuites", "TLS_NO")[1]
    assert "accepted are TLSv1.2 and TLSv1.3" in refusal(tls, "--tls-protocols", "TLSv1.1")[1]


def test_certificates_of_clients_need_an_authority(new_server):
    tls = TlsServer(new_server(), "--tls-auth-clients", "yes")
    at = tls.server.options.index("--tls-ca-cert-file")
    tls.server.options = tls.server.options[:at] + tls.server.options[at + 2 :]
    status, line = refusal(tls)
    assert status == CONFIGURATION
    assert "--tls-ca-cert-file" in line and "--tls-auth-clients no" in line


def test_an_authority_can_be_a_folder(new_server):
    tls = TlsServer(new_server(), "--tls-auth-clients", "yes")
    folder = tls.server.home / "authorities"
    folder.mkdir()
    shutil.copy(tls.authority.crt, folder)
    subprocess.run(["openssl", "rehash", folder], check=True, timeout=60)
    at = tls.server.options.index("--tls-ca-cert-file")
    options = list(tls.server.options)
    options[at : at + 2] = ["--tls-ca-cert-dir", folder]
    tls.server.options = options
    tls.start()
    assert tls.redis_cli("PING", own=tls.authority.issue("client")) == "PONG"
    assert tls.redis_cli("PING") != "PONG"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_a_key_that_may_not_be_read_ends_with_77(tls):
    tls.key.chmod(0o600)
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    command = [str(word) for word in (*nobody, places.BINARY, *tls.server.arguments())]
    ended = subprocess.run(
        [*command, "--check-config"], capture_output=True, text=True, timeout=20, check=False
    )
    assert ended.returncode == PERMISSION, ended.stderr
    assert f"--tls-key-file: cannot read {tls.key}" in ended.stderr


# --- SIGHUP -----------------------------------------------------------------------------------------


def shown_certificate(tls):
    """The certificate that the TLS port shows, PEM."""
    return ssl.get_server_certificate(("127.0.0.1", tls.port))


def replace(target, source):
    """As certbot does: the file is another one from one moment to the next."""
    fresh = target.with_suffix(".fresh")
    shutil.copy(source, fresh)
    fresh.rename(target)


def reload(tls, outcome):
    before = tls.server.log().count(outcome)
    tls.server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: tls.server.log().count(outcome) > before, outcome)


def test_sighup_reads_the_certificate_again(tls):
    tls.start()
    with tls.connect() as old:
        first = shown_certificate(tls)
        crt, key = tls.authority.issue("renewed")
        replace(tls.crt, crt)
        replace(tls.key, key)
        assert shown_certificate(tls) == first
        reload(tls, "configuration read again")
        assert shown_certificate(tls).strip() == crt.read_text().strip()
        assert old.command("PING") == b"PONG"
    assert tls.redis_cli("PING") == "PONG"


def test_a_bad_certificate_leaves_the_old_one_in_use(tls):
    tls.start()
    first = shown_certificate(tls)
    tls.crt.write_text("not a certificate\n")
    reload(tls, "holds no certificate in PEM form")
    assert "configuration not taken over: --tls-cert-file" in tls.server.log()
    assert shown_certificate(tls) == first
    assert tls.redis_cli("PING") == "PONG"
    crt, key = tls.authority.issue("renewed")
    replace(tls.crt, crt)
    replace(tls.key, key)
    reload(tls, "configuration read again")
    assert shown_certificate(tls).strip() == crt.read_text().strip()


def test_sighup_takes_other_settings_over(new_server):
    server = new_server()
    tls = TlsServer(server)
    file = server.home / "nd.yaml"

    def configure(**settings):
        keys = {"port": tls.port, "cert_file": str(tls.crt), "key_file": str(tls.key),
                "ca_cert_file": str(tls.authority.crt), "auth_clients": "no"}
        file.write_text("tls: " + json.dumps(keys | settings))

    configure()
    server.options = ("--config", file)
    tls.start()
    assert tls.redis_cli("PING") == "PONG"
    configure(auth_clients="yes", protocols="TLSv1.3")
    reload(tls, "configuration read again")
    own = tls.authority.issue("client")
    assert tls.redis_cli("PING") != "PONG"
    assert tls.redis_cli("PING", own=own) == "PONG"
    shown = tls.redis_cli("CONFIG", "GET", "tls-auth-clients", "tls-protocols", own=own).split()
    assert shown == ["tls-auth-clients", "yes", "tls-protocols", "TLSv1.3"]
