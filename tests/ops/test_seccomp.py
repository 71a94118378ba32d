"""The seccomp profile for containers: what it allows, and the server under it."""

import errno
import json
import pathlib
import subprocess

import pytest
import redis

IO_URING = {"io_uring_setup", "io_uring_enter", "io_uring_register"}
# What a container should never be given; Docker's own profile refuses these too.
DANGEROUS = {
    "add_key", "bpf", "clock_settime", "delete_module", "finit_module", "fsconfig", "fsmount",
    "init_module", "kexec_load", "keyctl", "mount", "mount_setattr", "move_mount",
    "open_by_handle_at", "open_tree", "perf_event_open", "pivot_root", "process_vm_readv",
    "process_vm_writev", "ptrace", "quotactl", "reboot", "request_key", "setns", "settimeofday",
    "swapon", "syslog", "umount2", "unshare", "userfaultfd",
}
RUNNER = pathlib.Path(__file__).with_name("run_with_seccomp.py")


@pytest.fixture
def profile_path(repository):
    return repository / "contrib/docker/seccomp.json"


@pytest.fixture
def profile(profile_path):
    return json.loads(profile_path.read_text())


def under(path, *command):
    return ["/usr/bin/python3", str(RUNNER), str(path), *command]


def error_under(path, expression):
    """The errno that a Python expression fails with under the profile, or None."""
    code = ("import ctypes, os, socket\n"
            "libc = ctypes.CDLL(None, use_errno=True)\n"
            "try:\n"
            f"  failed = ({expression}) == -1\n"
            "  print(ctypes.get_errno() if failed else None)\n"
            "except OSError as error:\n"
            "  print(error.errno)\n")
    done = subprocess.run(under(path, "/usr/bin/python3", "-c", code),
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return None if done.stdout.strip() == "None" else int(done.stdout)


def names(profile, action):
    return {name for rule in profile["syscalls"] if rule["action"] == action
            for name in rule["names"]}


def test_what_is_not_named_is_refused(profile):
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert profile["defaultErrnoRet"] == errno.EPERM
    assert {rule["action"] for rule in profile["syscalls"]} == {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"}


def test_io_uring_is_allowed_and_danger_is_not(profile):
    allowed = names(profile, "SCMP_ACT_ALLOW")
    assert IO_URING <= allowed
    assert not DANGEROUS & allowed


def test_every_name_is_a_system_call(profile):
    seccomp = pytest.importorskip("seccomp")
    for rule in profile["syscalls"]:
        for name in rule["names"]:
            seccomp.resolve_syscall(seccomp.Arch(seccomp.Arch.X86_64), name)


@pytest.mark.parametrize("expression, expected", [
    ("socket.socket(socket.AF_INET).close()", None),
    ("socket.socket(socket.AF_INET6).close()", None),
    ("socket.socket(socket.AF_UNIX).close()", None),
    ("socket.socket(socket.AF_VSOCK)", errno.EPERM),
    ("socket.socket(socket.AF_PACKET)", errno.EPERM),
    ("libc.unshare(0x10000000)", errno.EPERM),  # CLONE_NEWUSER
    ("libc.mount(b'none', b'/mnt', b'tmpfs', 0, None)", errno.EPERM),
    ("libc.ptrace(0, 0, 0, 0)", errno.EPERM),
    ("libc.syscall(435, 0, 0)", errno.ENOSYS),  # clone3
    ("libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0)", errno.EPERM),  # clone with CLONE_NEWUSER
    ("os.waitpid(os.fork() or os._exit(0), 0)", None),
])
def test_filter_decides(profile_path, expression, expected):
    pytest.importorskip("seccomp")
    assert error_under(profile_path, expression) == expected


def test_version_under_the_profile(server_binary, profile_path):
    pytest.importorskip("seccomp")
    done = subprocess.run(under(profile_path, server_binary, "--version"),
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_server_works_under_the_profile(start_server, profile_path):
    pytest.importorskip("seccomp")
    server = start_server(under(profile_path), ["--threads", "2"])
    client = redis.Redis(port=server.port, decode_responses=True)
    client.execute_command("HSET", "order", "type", "3", "auto_disk", "elegant_close")
    assert [client.get("order") for _ in range(100)] == [str(n) for n in range(100)]
    check = f"redis-cli -p {server.port} ping | grep -Eq 'PONG|NOAUTH'"
    health = subprocess.run(under(profile_path, "sh", "-c", check), timeout=120)
    assert health.returncode == 0


@pytest.mark.parametrize("refusal", [errno.EPERM, errno.ENOSYS])
def test_server_without_io_uring_says_so(server_binary, free_port, profile, tmp_path, refusal):
    pytest.importorskip("seccomp")
    for rule in profile["syscalls"]:
        if IO_URING & set(rule["names"]):
            rule.update(action="SCMP_ACT_ERRNO", errnoRet=refusal)
    path = tmp_path / "without.json"
    # A rule may not repeat the default action: for EPERM the names are simply not there.
    if refusal == profile["defaultErrnoRet"]:
        profile["syscalls"] = [r for r in profile["syscalls"] if not IO_URING & set(r["names"])]
    path.write_text(json.dumps(profile))
    done = subprocess.run(under(path, server_binary, "--addr", f"127.0.0.1:{free_port}",
                                "--data", tmp_path / "data", "--run", tmp_path),
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 77
    assert "io_uring" in done.stderr
    assert "seccomp" in done.stderr
