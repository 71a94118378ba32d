"""A real etcd of one or three members, on loopback ports and in folders of its own, and always ended."""

import base64
import json
import shutil
import signal
import subprocess

from harness import places
from harness.certificates import Authority
from harness.waiting import PATIENCE, TIMEOUT_S, wait_for

PREFIX = "/number-dispenser"
_LEASH = ("setpriv", "--pdeathsig", "KILL")


def missing():
    """The programs that are not installed, for a reason to skip."""
    return [name for name in ("etcd", "etcdctl") if shutil.which(name) is None]


class Member:
    """One etcd process at a time over one folder and two ports."""

    def __init__(self, name, home, scheme):
        self.name, self.data, self.log = name, home / name, home / f"{name}.log"
        self.client_port, self.peer_port = places.free_port(), places.free_port()
        self.url = f"{scheme}://127.0.0.1:{self.client_port}"
        self.peer_url = f"http://127.0.0.1:{self.peer_port}"
        self.wrapper = ()  # a command that ends by executing etcd
        self.process = None

    def spawn(self, *options):
        assert self.process is None, "already running"
        fixed = (
            *("--name", self.name, "--data-dir", self.data, "--logger", "zap"),
            *("--listen-client-urls", self.url, "--advertise-client-urls", self.url),
            *("--listen-peer-urls", self.peer_url, "--initial-advertise-peer-urls", self.peer_url),
        )
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*_LEASH, *self.wrapper, "etcd", *map(str, (*fixed, *options))],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )

    def send(self, number):
        self.process.send_signal(number)

    def end(self, number=signal.SIGTERM):
        """Ends it, also while it is paused, and keeps its folder."""
        if self.process is None:
            return
        self.send(number)
        self.send(signal.SIGCONT)
        try:
            self.process.wait(10 * PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


class Etcd:
    """`members` is 1 or 3. With `tls` clients speak TLS, and with `client_certificates` they must show one of
    `authority`, which issues them. Authentication is off until authenticate()."""

    def __init__(self, members=1, tls=False, client_certificates=False, options=()):
        self.home = places.new_folder()
        self.scheme = "https" if tls else "http"
        self.members = [Member(f"m{i}", self.home, self.scheme) for i in range(members)]
        self.client_certificates = client_certificates
        self.extra = options
        self.root_password = None
        self.authority = self.crt = self.key = None
        self._incarnation = 0
        if tls:
            self.use_certificates(Authority(self.home))

    def use_certificates(self, authority):
        """What members show and ask for from their next start on."""
        self.authority = authority
        self.crt, self.key = authority.issue("etcd")

    def _options(self):
        peers = ",".join(f"{member.name}={member.peer_url}" for member in self.members)
        options = [
            *("--initial-cluster", peers, "--initial-cluster-token", f"t{self._incarnation}"),
            *("--heartbeat-interval", 50, "--election-timeout", 500, *self.extra),
        ]
        if self.crt:
            options += ["--cert-file", self.crt, "--key-file", self.key]
        if self.client_certificates:
            options += ["--client-cert-auth", "--trusted-ca-file", self.authority.crt]
        return options

    def __getitem__(self, index):
        return self.members[index]

    @property
    def endpoints(self):
        return [member.url for member in self.members]

    def start(self, *indexes):
        """Starts these members, or all that do not run, and waits until etcd answers."""
        self.spawn(*indexes)
        wait_for(self.is_well, "etcd to answer")
        return self

    def spawn(self, *indexes):
        for member in self._chosen(indexes):
            if member.process is None:
                member.spawn(*self._options())

    def _chosen(self, indexes):
        return [self.members[index] for index in indexes] or self.members

    def stop(self, *indexes):
        for member in self._chosen(indexes):
            member.end()

    def kill(self, *indexes):
        for member in self._chosen(indexes):
            member.end(signal.SIGKILL)

    def pause(self, *indexes):
        for member in self._chosen(indexes):
            member.send(signal.SIGSTOP)

    def resume(self, *indexes):
        for member in self._chosen(indexes):
            member.send(signal.SIGCONT)

    def wipe(self):
        """Another etcd on the same ports: nothing of the old one is left."""
        self.kill()
        for member in self.members:
            shutil.rmtree(member.data)
        self._incarnation += 1
        return self.start()

    def restore(self, snapshot):
        """Puts back what `etcdctl snapshot save` has kept, as an operator who keeps the names does."""
        self.kill()
        for member in self.members:
            shutil.rmtree(member.data)
            options = self._options()[:4]
            self.ctl("snapshot", "restore", snapshot, "--name", member.name, "--data-dir", member.data,
                     "--initial-advertise-peer-urls", member.peer_url, *options)
        return self.start()

    def is_well(self):
        """A write succeeds, so there is a leader and a majority."""
        return self.run("--command-timeout", "3s", "put", "/tests/well", "1").returncode == 0

    def run(self, *arguments, stdin=None):
        """etcdctl as it ended. As root where authentication is on."""
        running = [member.url for member in self.members if member.process is not None]
        command = ["etcdctl", "--endpoints", ",".join(running), "--dial-timeout", "10s", "--command-timeout", "30s"]
        if self.root_password:
            command += ["--user", f"root:{self.root_password}"]
        if self.crt:
            command += ["--cacert", str(self.authority.crt), "--cert", str(self.crt), "--key", str(self.key)]
        return subprocess.run(
            [*command, *map(str, arguments)], input=stdin, capture_output=True, timeout=TIMEOUT_S,
            check=False,
        )

    def ctl(self, *arguments, stdin=None):
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout.decode()

    # --- what the nodes have written ---

    def keys(self, kind=""):
        """Everything below the prefix, or of one kind, by what follows: {name: (value, create_revision)}."""
        prefix = f"{PREFIX}/{kind}"
        found = json.loads(self.ctl("get", "--prefix", prefix, "-w", "json")).get("kvs", [])
        return {
            base64.b64decode(kv["key"]).decode().removeprefix(prefix).removeprefix("/"):
                (base64.b64decode(kv.get("value", "")).decode(), kv["create_revision"])
            for kv in found
        }

    def leased(self, name):
        """How many ordinals of a dispenser are leased; None where it needs no lease."""
        found = self.keys("alloc").get(name)
        return json.loads(found[0])["next"] if found else None

    def revision(self):
        return json.loads(self.ctl("get", "/tests/none", "-w", "json"))["header"]["revision"]

    # --- authentication ---

    def authenticate(self, user, password):
        """Switches authentication on, with one user who may use the nodes' keys and no others."""
        self.ctl("user", "add", "root:root")
        self.ctl("user", "grant-role", "root", "root")
        self.ctl("role", "add", "nodes")
        self.ctl("role", "grant-permission", "nodes", "--prefix=true", "readwrite", f"{PREFIX}/")
        self.ctl("user", "add", f"{user}:{password}")
        self.ctl("user", "grant-role", user, "nodes")
        self.ctl("auth", "enable")
        self.root_password = "root"

    def change_password(self, user, password):
        self.ctl("user", "passwd", user, "--interactive=false", stdin=password.encode() + b"\n")

    def forget_tokens(self):
        """Every token that was given out is invalid from now on."""
        self.ctl("auth", "disable")
        password, self.root_password = self.root_password, None
        self.ctl("auth", "enable")
        self.root_password = password

    def discard(self):
        self.kill()
        places.remove(self.home)
