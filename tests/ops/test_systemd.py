"""The systemd service: valid, and sandboxed at least as well as Debian's redis-server."""

import os
import re
import subprocess

import pytest

MAX_EXPOSURE = 1.1  # Debian's redis-server: 1.2


@pytest.fixture
def unit(repository, tmp_path):
    """The unit as it is installed, but with a program that exists."""
    (tmp_path / "number-dispenser").symlink_to("/bin/true")
    template = (repository / "contrib/systemd/number-dispenser.service.in").read_text()
    path = tmp_path / "number-dispenser.service"
    path.write_text(template.replace("@bindir@", str(tmp_path)).replace("@sysconfdir@", "/etc"))
    return path


@pytest.fixture
def manual_path(repository, tmp_path):
    """systemd-analyze verify looks up the pages that Documentation= names."""
    for page in (repository / "man").glob("*.[578]"):
        folder = tmp_path / "man" / f"man{page.suffix[1:]}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / page.name).symlink_to(page)
    return {**os.environ, "MANPATH": str(tmp_path / "man")}


def settings(unit):
    return dict(re.findall(r"^(\w+)=(.*)$", unit.read_text(), re.MULTILINE))


def test_verify_finds_nothing(unit, manual_path):
    done = subprocess.run(["systemd-analyze", "verify", "--man=yes", unit], env=manual_path,
                          capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_credentials_of_the_manual_are_understood(unit, manual_path, repository):
    page = (repository / "man/number-dispenser.8").read_text()
    example = re.search(r"^\[Service\]\nLoadCredential.*?(?=^\.Ed)", page, re.MULTILINE | re.DOTALL)[0]
    folder = unit.parent / f"{unit.name}.d"
    folder.mkdir()

    def verify(text):
        (folder / "override.conf").write_text(text)
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], env=manual_path,
                              capture_output=True, text=True, timeout=120)
        return done.stdout + done.stderr

    assert verify(example) == ""
    assert "override.conf" in verify(example.replace("LoadCredential", "LoadCredentials"))


def test_exposure_is_low(unit):
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
                          capture_output=True, text=True, timeout=120)
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert exposure, done.stdout + done.stderr
    assert float(exposure[1]) <= MAX_EXPOSURE


def test_filter_keeps_io_uring():
    done = subprocess.run(["systemd-analyze", "syscall-filter", "@aio"],
                          capture_output=True, text=True, timeout=120)
    assert {"io_uring_setup", "io_uring_enter", "io_uring_register"} <= set(done.stdout.split())


def test_live_counters_survive_a_stop(unit):
    found = settings(unit)
    assert found["RuntimeDirectory"] == "number-dispenser"
    assert found["RuntimeDirectoryPreserve"] == "yes"


def test_io_error_and_mistakes_are_not_retried(unit):
    found = settings(unit)
    assert found["Restart"] == "on-failure"
    assert set(found["RestartPreventExitStatus"].split()) == {"64", "74", "77", "78"}


def test_options_of_the_command_line_exist(unit, help_text):
    options = re.findall(r" --([a-z-]+)", settings(unit)["ExecStart"])
    assert options
    assert all(f"--{option} " in help_text for option in options)


def test_sysusers_creates_the_account_of_the_unit(repository, unit, tmp_path):
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    subprocess.run(["systemd-sysusers", f"--root={root}",
                    repository / "contrib/systemd/number-dispenser.sysusers"],
                   check=True, timeout=120)
    user = settings(unit)["User"]
    account = re.search(rf"^{user}:.*$", (root / "etc/passwd").read_text(), re.MULTILINE)
    assert account and account[0].endswith(":/var/lib/number-dispenser:/usr/sbin/nologin")


def test_tmpfiles_hides_the_configuration(repository, tmp_path):
    """As the current user, for a test may not be root: only the mode is looked at."""
    root = tmp_path / "root"
    config = root / "etc/number-dispenser/number-dispenser.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("")
    config.chmod(0o644)
    template = (repository / "contrib/systemd/number-dispenser.tmpfiles.in").read_text()
    rules = tmp_path / "number-dispenser.conf"
    rules.write_text(template.replace("@sysconfdir@", "/etc")
                     .replace("root number-dispenser", f"{os.getuid()} {os.getgid()}"))
    subprocess.run(["systemd-tmpfiles", f"--root={root}", "--create", rules],
                   check=True, timeout=120)
    assert config.stat().st_mode & 0o777 == 0o640
