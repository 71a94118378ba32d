"""Go's clients that Debian has: redigo, and version 5 of gopkg.in/redis, which knows no user names."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from matrix import NODE_MODULES
from scenarios import APP_SECRET, SECRET, of, play

SOURCES = Path(__file__).parent / "go"
LIBRARIES = Path("/usr/share/gocode/src")


@pytest.fixture(scope="session", name="compiled")
def compiled_fixture(tmp_path_factory):
    """compiled(folder, library): the program; the same one for the same words."""
    programs = {}

    def compiled(folder, library):
        if shutil.which("go") is None or not (LIBRARIES / library).exists():
            pytest.skip(f"golang-go, or Debian's package of {library}, is not installed")
        if folder not in programs:
            programs[folder] = tmp_path_factory.mktemp("go") / folder
            cache = NODE_MODULES.parents[1] / "clients-go"
            environment = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(cache)}
            subprocess.run(["go", "build", "-o", programs[folder], "main.go"], cwd=SOURCES / folder,
                           env=os.environ | environment, check=True, timeout=200)  # fmt: skip
        return programs[folder]

    return compiled


@of("redigo", "connect", "pool", "pipeline", "transaction", "reconnect", "AUTH", "ACL user", "TLS")
def test_redigo(compiled, stage, scenario):
    program = compiled("redigo", "github.com/gomodule/redigo")
    play([program], scenario, stage(scenario), {"SECRET": SECRET, "APP_SECRET": APP_SECRET})


@of("go redis.v5", "connect", "pool", "pipeline", "transaction", "reconnect", "AUTH", "TLS")
def test_redis_v5(compiled, stage, scenario):
    play([compiled("redis_v5", "gopkg.in/redis.v5")], scenario, stage(scenario), {"SECRET": SECRET})
