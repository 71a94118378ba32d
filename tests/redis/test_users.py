"""Users: what an application, an operator and a monitor may do, and where users are kept."""

import signal
import subprocess
import time

import pytest
import redis
from test_same_words import SERVER, free_port, wait_for

# Which of them depends on the version of the library.
WRONG_PASSWORD = (redis.exceptions.AuthenticationError, redis.exceptions.ResponseError)
APPLICATION = ["on", ">draws", "~order_*", "+get", "+incr", "+mget", "+ping"]
OPERATOR = ["on", ">defines", "~*", "+@all", "-@dangerous", "+info"]
MONITOR = ["on", ">looks", "+info", "+ping"]


class Server:
    def __init__(self, folder, *options):
        self.port = free_port()
        self.command = [SERVER, "--addr", f"127.0.0.1:{self.port}", "--data", str(folder / "data"), *options]
        self.process = None
        self.log = (folder / "log").open("ab+")

    def start(self):
        self.process = subprocess.Popen(self.command, stderr=self.log)
        wait_for(self.port)
        return self

    def stop(self):
        self.process.terminate()
        assert self.process.wait(60) == 0

    def client(self, user=None, password=None):
        return redis.Redis(port=self.port, username=user, password=password, decode_responses=True)

    def log_text(self):
        self.log.seek(0)
        return self.log.read().decode()


@pytest.fixture
def server(tmp_path):
    running = Server(tmp_path).start()
    yield running
    running.stop()


def refused(call, *words):
    with pytest.raises(redis.exceptions.ResponseError) as error:
        call(*words)
    return str(error.value)


def define_users(server):
    admin = server.client()
    admin.execute_command("HSET", "order_id", "type", "3")
    admin.execute_command("HSET", "secret_id", "type", "3")
    for name, rules in (("app", APPLICATION), ("operator", OPERATOR), ("monitor", MONITOR)):
        admin.execute_command("ACL", "SETUSER", name, *rules)
    return admin


def test_an_application_draws_from_its_own_dispensers_only(server):
    define_users(server)
    app = server.client("app", "draws")
    assert app.get("order_id") == "0"
    assert app.execute_command("INCR", "order_id") == 1
    assert "access one of the keys" in refused(app.get, "secret_id")
    assert "access one of the keys" in refused(app.execute_command, "MGET", "order_id", "secret_id")
    assert "'hset' command" in refused(app.execute_command, "HSET", "order_x", "type", "3")
    assert "'del' command" in refused(app.delete, "order_id")
    assert "'acl|list' command" in refused(app.execute_command, "ACL", "LIST")
    assert server.client().get("order_id") == "2", "a refused MGET draws nothing"


def test_an_operator_defines_and_a_monitor_only_looks(server):
    define_users(server)
    operator = server.client("operator", "defines")
    assert operator.execute_command("HSET", "ticket", "type", "3") == 1
    assert "'config|set' command" in refused(operator.execute_command, "CONFIG", "SET", "requirepass", "x")
    monitor = server.client("monitor", "looks")
    assert monitor.execute_command("INFO", "server")["redis_version"]
    assert "'get' command" in refused(monitor.get, "ticket")


def test_rules_hold_inside_transactions(server):
    define_users(server)
    app = server.client("app", "draws")
    app.execute_command("PING")
    server.client().execute_command("ACL", "SETUSER", "app", "+multi", "+exec", "+discard")
    pipeline = app.pipeline(transaction=True)
    pipeline.get("order_id").get("secret_id")
    with pytest.raises(redis.exceptions.ResponseError):
        pipeline.execute()
    assert server.client().get("order_id") == "0", "the transaction was discarded whole"


def test_a_changed_user_is_bound_at_once_and_a_deleted_one_is_closed(server):
    admin = define_users(server)
    app = server.client("app", "draws")
    app = redis.Redis(port=server.port, username="app", password="draws", decode_responses=True, single_connection_client=True)
    assert app.get("order_id") == "0"
    admin.execute_command("ACL", "SETUSER", "app", "-get")
    assert "'get' command" in refused(app.get, "order_id")
    connection = redis.Connection(port=server.port, username="app", password="draws")
    connection.connect()
    admin.execute_command("ACL", "DELUSER", "app")
    admin.execute_command("ACL", "SETUSER", "app", "on", ">other", "~*", "+@all")
    with pytest.raises(redis.exceptions.ConnectionError):
        connection.send_command("INCR", "order_id")
        connection.read_response()


def test_a_monitor_whose_user_is_gone_is_closed(tmp_path):
    file = tmp_path / "users.acl"
    file.write_text("user default on nopass ~* +@all\nuser looks on >pw +@all\nuser sees on >pw +@all\n")
    server = Server(tmp_path, "--aclfile", str(file)).start()
    try:
        monitors = []
        for name in ("looks", "sees"):
            monitors.append(redis.Connection(port=server.port, username=name, password="pw"))
            monitors[-1].connect()
            monitors[-1].send_command("MONITOR")
            assert monitors[-1].read_response() == b"OK"
        admin = server.client()
        assert admin.execute_command("ACL", "DELUSER", "looks") == 1
        file.write_text("user default on nopass ~* +@all\n")
        assert admin.execute_command("ACL", "LOAD")
        admin.ping()
        for monitor in monitors:
            with pytest.raises(redis.exceptions.ConnectionError):
                for _ in range(5):
                    assert b"PING" not in monitor.read_response()
    finally:
        server.stop()


def test_refusals_are_logged_without_secrets(server):
    admin = define_users(server)
    with pytest.raises(WRONG_PASSWORD):
        server.client("app", "guess-hunter2").ping()
    refused(server.client("app", "draws").get, "secret_id")
    flat = admin.execute_command("ACL LOG")
    entries = [dict(zip(entry[::2], entry[1::2])) if isinstance(entry, list) else entry for entry in flat]
    assert [entry["reason"] for entry in entries] == ["key", "auth"]
    assert entries[0]["object"] == "secret_id" and entries[0]["username"] == "app"
    assert "hunter2" not in server.log_text()
    assert "failed to log in as 'app'" in server.log_text()
    error = refused(admin.execute_command, "ACL", "SETUSER", "app", "<hunter2")
    assert "hunter2" not in error


def test_a_connection_that_only_guesses_is_closed(server):
    define_users(server)
    connection = redis.Connection(port=server.port)
    connection.connect()
    for _ in range(10):
        connection.send_command("AUTH", "app", "guess")
        with pytest.raises(WRONG_PASSWORD):
            connection.read_response()
    with pytest.raises(redis.exceptions.ConnectionError):
        connection.send_command("PING")
        connection.read_response()


def test_users_are_kept_in_the_acl_file(tmp_path):
    file = tmp_path / "users.acl"
    file.write_text("# users\nuser default on nopass ~* &* +@all\nuser app on >draws ~order_* -@all +get\n")
    server = Server(tmp_path, "--aclfile", str(file)).start()
    try:
        admin = server.client()
        admin.execute_command("HSET", "order_id", "type", "3")
        assert server.client("app", "draws").get("order_id") == "0"
        admin.execute_command("ACL", "SETUSER", "late", "on", ">pw", "+ping")
        assert admin.execute_command("ACL", "SAVE")
        text = file.read_text()
        assert "user late on #" in text and "draws" not in text, "passwords are kept as SHA-256 only"
        assert file.stat().st_mode & 0o077 == 0
        server.stop()
        server.start()
        assert server.client("late", "pw").ping()
        file.write_text(text.replace("user late on", "user late off"))
        assert server.client().execute_command("ACL", "LOAD")
        with pytest.raises(WRONG_PASSWORD):
            server.client("late", "pw").ping()
    finally:
        server.stop()


def test_a_faulty_acl_file_is_refused_with_its_line(tmp_path):
    file = tmp_path / "users.acl"
    file.write_text("user default on nopass ~* +@all\nuser app on +nosuchcommand\n")
    server = Server(tmp_path, "--aclfile", str(file))
    done = subprocess.run(server.command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 78
    assert "line 2" in done.stderr and "+nosuchcommand" in done.stderr


def test_sighup_rereads_the_acl_file_or_changes_nothing(tmp_path):
    file = tmp_path / "users.acl"
    file.write_text("user app on >draws ~* +ping\n")
    server = Server(tmp_path, "--aclfile", str(file)).start()
    try:
        assert server.client("app", "draws").ping()
        for text, marker in (("nonsense\n", "not taken over"), ("user app off\n", "read again")):
            file.write_text(text)
            server.process.send_signal(signal.SIGHUP)
            deadline = time.monotonic() + 60
            while marker not in server.log_text() and time.monotonic() < deadline:
                time.sleep(0.02)
            assert marker in server.log_text()
        with pytest.raises(WRONG_PASSWORD):
            server.client("app", "draws").ping()
    finally:
        server.stop()


def test_requirepass_is_the_default_users_password(tmp_path):
    server = Server(tmp_path, "--requirepass", "first").start()
    try:
        assert server.client(password="first").ping()
        server.client(password="first").execute_command("CONFIG", "SET", "requirepass", "second")
        with pytest.raises(WRONG_PASSWORD):
            server.client(password="first").ping()
        assert server.client("default", "second").ping()
        server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 60
        while "read again" not in server.log_text() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert server.client(password="second").ping(), "what CONFIG SET set stays until the configuration changes"
    finally:
        server.stop()
