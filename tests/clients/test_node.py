"""The packages redis and ioredis of Node.js, an older version of each and the newest."""

import shutil
import subprocess
from pathlib import Path

import pytest
from matrix import NODE_MODULES
from scenarios import APP_SECRET, SECRET, of, play

SCRIPTS = Path(__file__).parent / "node"
PLAIN = ("connect", "pool", "pipeline", "transaction", "reconnect", "AUTH", "ACL user", "TLS")


@pytest.fixture(scope="session", name="modules")
def modules_fixture():
    """The folder of the packages; filled once, and again when package.json changes."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    folder, wanted = NODE_MODULES.parent, SCRIPTS / "package.json"
    if not (folder / "installed").exists() or (folder / "installed").read_text() != wanted.read_text():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(wanted, folder / "package.json")
        done = subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts",
             "--loglevel=error"],
            cwd=folder, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            pytest.skip(f"npm cannot install the packages: {done.stderr.strip()[-200:]}")
        shutil.copy(wanted, folder / "installed")
    return folder / "node_modules"


def play_node(modules, script, package, scenario, place):
    environment = {
        "NODE_PATH": str(modules),
        "CLIENT_PACKAGE": package,
        "SECRET": SECRET,
        "APP_SECRET": APP_SECRET,
    }
    play(["node", SCRIPTS / script], scenario, place, environment)


@of("node redis 4", *PLAIN)
def test_node_redis_4(modules, stage, scenario):
    play_node(modules, "node_redis.js", "redis4", scenario, stage(scenario))


@of("node redis", *PLAIN, "RESP3")
def test_node_redis(modules, stage, scenario):
    play_node(modules, "node_redis.js", "redis", scenario, stage(scenario))


@of("ioredis 5", *PLAIN)
def test_ioredis_5(modules, stage, scenario):
    play_node(modules, "ioredis.js", "ioredis5", scenario, stage(scenario))


@of("ioredis", *PLAIN, "RESP3")
def test_ioredis(modules, stage, scenario):
    play_node(modules, "ioredis.js", "ioredis", scenario, stage(scenario))
