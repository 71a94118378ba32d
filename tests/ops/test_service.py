"""The service as systemd runs it: a real systemd, in namespaces of its own, with the installed
files (boot_systemd.sh). Everything is in memory and ends with the test."""

import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

BOOT = pathlib.Path(__file__).with_name("boot_systemd.sh")
CONFIG = "/etc/number-dispenser/number-dispenser.yaml"
UNIT = "number-dispenser.service"


def cgroup_root():
    """Where the unified hierarchy is mounted."""
    mounts = pathlib.Path("/proc/mounts").read_text()
    found = re.search(r"^\S+ (\S+) cgroup2 ", mounts, re.MULTILINE)
    return pathlib.Path(found[1]) if found else None


def why_not():
    if os.getuid() != 0:
        return "not root"
    if not os.access("/lib/systemd/systemd", os.X_OK):
        return "systemd is not installed"
    if cgroup_root() is None or not os.access(cgroup_root() / "cgroup.procs", os.W_OK):
        return "no cgroup v2 to write to"
    if "overlay" not in pathlib.Path("/proc/filesystems").read_text():
        return "no overlay file system"
    allowed = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--net", "--cgroup", "true"],
                             capture_output=True, timeout=120)
    return "namespaces are refused" if allowed.returncode else None


class Machine:
    def __init__(self, process):
        self.process = process
        self.first = None  # process 1 of the machine, as seen from here

    def run(self, *command, check=True):
        enter = ["nsenter", "-t", self.first, "-m", "-p", "-u", "-i", "-n", "-C", "-r", "-w"]
        done = subprocess.run([*enter, *command], capture_output=True, text=True, timeout=120)
        assert not check or done.returncode == 0, done.stdout + done.stderr + self.journal()
        return done.stdout.strip()

    def journal(self):
        return self.run("journalctl", "--no-pager", "-u", UNIT, check=False)

    def show(self, name):
        return self.run("systemctl", "show", UNIT, "--value", "--property", name)

    def wait_for(self, name, value, seconds=120):
        deadline = time.monotonic() + seconds
        while self.show(name) != value:
            assert time.monotonic() < deadline, f"{name}={self.show(name)}\n{self.journal()}"

    def redis(self, *command):
        return self.run("redis-cli", "-p", "6380", *command)

    def boot(self, seconds=120):
        deadline = time.monotonic() + seconds
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        while True:
            assert self.process.poll() is None, "systemd did not start"
            assert time.monotonic() < deadline, "systemd was not ready in time"
            self.first = children.read_text().strip()
            if self.first and self.run("systemctl", "is-active", UNIT, check=False):
                return


@pytest.fixture(scope="module")
def tree(system_build, install, tmp_path_factory):
    root = tmp_path_factory.mktemp("tree")
    install(system_build, root)
    return root


@pytest.fixture
def machine(tree, tmp_path):
    if reason := why_not():
        pytest.skip(reason)
    cgroup = cgroup_root() / f"number-dispenser-test-{os.getpid()}"
    cgroup.mkdir()
    process = subprocess.Popen([BOOT, tmp_path, tree, cgroup], stdin=subprocess.DEVNULL)
    try:
        machine = Machine(process)
        machine.boot()
        machine.wait_for("ActiveState", "active")
        yield machine
    finally:
        process.kill()  # takes the whole machine with it
        process.wait(120)
        remove(cgroup)


def remove(cgroup, seconds=120):
    """Empty groups only can be removed, and killed processes take a moment to leave them."""
    deadline = time.monotonic() + seconds
    while cgroup.exists():
        for folder, _, _ in os.walk(cgroup, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                assert time.monotonic() < deadline, f"{folder} is still in use"


def draw(machine, count=3):
    """Defines a dispenser and draws its first numbers."""
    machine.redis("HSET", "order", "type", "3", "auto_disk", "pre_close")
    assert [machine.redis("GET", "order") for _ in range(count)] == [str(n) for n in range(count)]


def test_service_is_ready_with_a_status_and_as_its_own_user(machine):
    assert machine.show("SubState") == "running"
    assert machine.show("StatusText")
    process = machine.show("MainPID")
    assert machine.run("stat", "-c", "%U", f"/proc/{process}") == "number-dispenser"
    modes = machine.run("stat", "-c", "%a %U", "/var/lib/number-dispenser",
                        "/var/lib/number-dispenser/dispensers.state", CONFIG)
    assert modes.splitlines() == ["700 number-dispenser", "600 number-dispenser", "640 root"]
    draw(machine)


def test_killed_service_comes_back_and_goes_on_exactly(machine):
    draw(machine)
    machine.run("systemctl", "kill", "--signal=KILL", UNIT)
    machine.wait_for("NRestarts", "1")
    machine.wait_for("ActiveState", "active")
    assert machine.redis("GET", "order") == "3"
    assert "wasted:0" in machine.redis("INFO", "order").split()


def test_counters_outlive_a_service_that_was_killed_and_stopped(machine):
    draw(machine)
    machine.run("systemctl", "stop", UNIT)
    machine.run("systemctl", "start", UNIT)
    assert machine.redis("GET", "order") == "3"
    machine.run("systemctl", "kill", "--signal=KILL", UNIT)
    machine.run("systemctl", "stop", UNIT)
    assert ".live" in machine.run("ls", "/run/number-dispenser")
    machine.run("systemctl", "start", UNIT)
    assert machine.redis("GET", "order") == "4"
    assert "wasted:0" in machine.redis("INFO", "order").split()


def test_reload_adopts_a_password_without_a_restart(machine):
    before = machine.show("MainPID")
    machine.run("sed", "-i", 's/# requirepass: .*/requirepass: "secret"/', CONFIG)
    machine.run("systemctl", "reload", UNIT)
    deadline = time.monotonic() + 120
    while "NOAUTH" not in machine.redis("PING"):
        assert time.monotonic() < deadline, machine.journal()
    assert machine.show("MainPID") == before
    assert machine.redis("-a", "secret", "--no-auth-warning", "PING") == "PONG"


def test_watchdog_restarts_a_server_that_hangs(machine):
    draw(machine)
    machine.run("mkdir", "-p", f"/run/systemd/system/{UNIT}.d")
    machine.run("sh", "-c", "printf '[Service]\\nWatchdogSec=5\\n'"
                            f" > /run/systemd/system/{UNIT}.d/watchdog.conf")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", UNIT)
    machine.run("systemctl", "kill", f"--signal={signal.SIGSTOP.name}", UNIT)
    machine.wait_for("NRestarts", "1")
    machine.wait_for("ActiveState", "active")
    assert "watchdog" in machine.journal()
    assert machine.redis("GET", "order") == "3"


def test_mistake_in_the_configuration_is_not_retried(machine):
    machine.run("sh", "-c", f"echo 'colour: 1' >> {CONFIG}")
    machine.run("systemctl", "restart", UNIT, check=False)
    assert machine.show("ActiveState") == "failed"
    assert machine.show("ExecMainStatus") == "78"
    assert machine.show("NRestarts") == "0"
    assert "colour" in machine.journal()
