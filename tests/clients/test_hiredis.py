"""hiredis, as Debian has it (0.14: RESP2, no TLS): blocking, and asynchronous on libev and on libevent."""

import subprocess
from pathlib import Path

import pytest
from scenarios import APP_SECRET, SECRET, of, play

SOURCES = Path(__file__).parent / "c"


@pytest.fixture(scope="session", name="compiled")
def compiled_fixture(tmp_path_factory):
    """compiled(source, header, *options): the program; the same one for the same words."""
    folder, programs = tmp_path_factory.mktemp("hiredis"), {}

    def compiled(source, header, *options):
        for needed in ("hiredis/hiredis.h", header):
            if not Path("/usr/include", needed).exists():
                pytest.skip(f"{needed} is not installed")
        program = folder / f"program-{len(programs)}"
        if (source, options) not in programs:
            command = ["cc", "-Wall", "-Wno-unused-function", "-o", program, SOURCES / source, "-lhiredis"]
            subprocess.run([*command, *options], check=True, timeout=120)
            programs[source, options] = program
        return programs[source, options]

    return compiled


@of("hiredis", "connect", "pipeline", "transaction", "reconnect", "AUTH", "ACL user")
def test_hiredis(compiled, stage, scenario):
    program = compiled("hiredis.c", "hiredis/hiredis.h")
    play([program], scenario, stage(scenario), {"SECRET": SECRET, "APP_SECRET": APP_SECRET})


ASYNCHRONOUS = ("connect", "pool", "pipeline", "reconnect")


@of("hiredis async, libev", *ASYNCHRONOUS)
def test_hiredis_on_libev(compiled, stage, scenario):
    play([compiled("hiredis_async.c", "ev.h", "-lev")], scenario, stage(scenario))


@of("hiredis async, libevent", *ASYNCHRONOUS)
def test_hiredis_on_libevent(compiled, stage, scenario):
    program = compiled("hiredis_async.c", "event2/event.h", "-DUSE_LIBEVENT", "-levent")
    play([program], scenario, stage(scenario))
