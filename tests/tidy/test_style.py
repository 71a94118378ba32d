"""The rules of the code that no compiler checks: which layer may include which, what a file looks like, and
that no file is left over."""

import os
import re
import stat
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

# What a layer may include besides itself (ARCHITECTURE.md): the layers below it. resp and uring are
# neighbours, and config stands on base alone.
BELOW = {
    "base": [],
    "resp": ["base"],
    "tls": ["base", "resp"],
    "uring": ["base"],
    "dispenser": ["base"],
    "etcd": ["base"],
    "state": ["base", "uring", "dispenser"],
    "cluster": ["base", "dispenser", "etcd", "state"],
    "net": ["base", "resp", "tls", "uring", "dispenser", "state"],
    "command": ["base", "resp", "uring", "dispenser", "state", "cluster", "net"],
    "config": ["base"],
    "server": ["base", "resp", "tls", "uring", "dispenser", "etcd", "state", "cluster", "net", "command", "config"],
}
# Libraries that one layer keeps to itself.
OWNERS = {
    r"liburing[./]": "uring",
    r"linux/io_uring\.h": "uring",
    r"CLI/": "config",
    r"yaml-cpp/": "config",
    r"systemd/": "server",
    r"curl/": "etcd",
    r"openssl/(ssl|bio)\.h": "tls",
}
MAX_LINES = 400
TEXT = {".c", ".cc", ".h", ".py", ".md", ".sh", ".build", ".yaml", ".yml", ".js", ".go", ".txt", ".in"}
LEFT_OUT = {".git", "node_modules", "__pycache__", ".pytest_cache", "corpus"}


def walk():
    """Every file of the tree that somebody wrote."""
    for folder, folders, names in os.walk(REPOSITORY):
        here = Path(folder)
        top = here == REPOSITORY
        folders[:] = sorted(
            name
            for name in folders
            if name not in LEFT_OUT and not (top and name.startswith(("build", "data")))
        )
        yield from (here / name for name in sorted(names))


FILES = list(walk())
CODE = [path for path in FILES if path.suffix in (".cc", ".h")]
SOURCES = [path for path in CODE if path.is_relative_to(REPOSITORY / "src")]
PUBLIC = [path for path in CODE if path.is_relative_to(REPOSITORY / "include")]


def none_of(faults):
    faults = [short(fault) if isinstance(fault, Path) else fault for fault in faults]
    assert not faults, "\n".join(["", *faults])


def short(path):
    return str(path.relative_to(REPOSITORY))


def is_text(path):
    if path.suffix in TEXT:
        return True
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def includes(path):
    """(line number, "<" or a quotation mark, what is included)"""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if found := re.match(r'#include ([<"])([^>"]+)[>"]', line):
            yield number, found[1], found[2]


def layer_of(path):
    """The layer a file belongs to; main.cc is above all of them."""
    parts = path.relative_to(REPOSITORY).parts
    if parts[0] == "include":
        return parts[2]
    return parts[1] if len(parts) > 2 else "main"


def may_include(layer, other):
    return layer == other or layer == "main" or other in BELOW[layer]


def is_private_of(layer, path, what):
    return "/" not in what and (path.parent / what).is_file() or what.startswith(f"{layer}/")


def upward(path):
    """The includes of one file that the layers forbid."""
    layer = layer_of(path)
    for number, mark, what in includes(path):
        place = f"{short(path)}:{number}: {what}"
        if found := re.match(r"number_dispenser/(\w+)/", what):
            if not may_include(layer, found[1]):
                yield f"{place}: {layer} may not know {found[1]}"
        elif mark == '"' and layer != "main" and not is_private_of(layer, path, what):
            yield f"{place}: a private header of another layer"
        for library, owner in OWNERS.items():
            if re.match(library, what) and layer != owner:
                yield f"{place}: belongs to {owner} alone"


def test_the_layers_are_the_folders():
    folders = {layer_of(path) for path in (*SOURCES, *PUBLIC)} - {"main"}
    assert folders == set(BELOW)


def test_includes_point_down_only():
    none_of(fault for path in (*SOURCES, *PUBLIC) for fault in upward(path))


@pytest.mark.parametrize(
    "place, line",
    [
        ("src/resp/x.cc", "#include <liburing.h>"),
        ("src/resp/x.cc", '#include "number_dispenser/dispenser/cell.h"'),
        ("src/resp/x.cc", '#include "number_dispenser/uring/ring.h"'),
        ("src/config/x.cc", '#include "number_dispenser/net/loop.h"'),
        ("src/server/x.cc", "#include <yaml-cpp/yaml.h>"),
        ("src/net/x.cc", "#include <openssl/ssl.h>"),
        ("src/net/x.cc", '#include "../state/x.h"'),
    ],
)
def test_a_forbidden_include_is_found(tmp_path, monkeypatch, place, line):
    monkeypatch.setattr(f"{__name__}.REPOSITORY", tmp_path)
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text(line + "\n")
    assert len(list(upward(path))) == 1


def test_public_headers_are_used_by_another_layer():
    """A header that only its own layer includes belongs beside its source."""
    used = {
        what
        for path in CODE
        for _, _, what in includes(path)
        if not what.startswith(f"number_dispenser/{layer_of_any(path)}/")
    }
    # A header that a used one is made of is used too.
    grown = True
    while grown:
        parts = {
            what
            for path in PUBLIC
            if str(path.relative_to(REPOSITORY / "include")) in used
            for _, _, what in includes(path)
        }
        grown = not parts <= used
        used |= parts
    unused = [p for p in PUBLIC if str(p.relative_to(REPOSITORY / "include")) not in used]
    none_of(unused)


def layer_of_any(path):
    inside = path in SOURCES or path in PUBLIC
    return layer_of(path) if inside else None


def says_what_it_is(path):
    """Whether a comment comes before the first declaration."""
    for line in path.read_text().splitlines():
        if line.startswith("//"):
            return True
        if line and not re.match(r"#|namespace \w+ \{|(class|struct|union) \w+;|extern ", line):
            return False
    return False


def test_headers_say_what_they_are():
    none_of(p for p in CODE if p.suffix == ".h" and not says_what_it_is(p))


def test_headers_are_included_once():
    none_of(p for p in CODE if p.suffix == ".h" and "#pragma once\n" not in p.read_text())


def test_no_file_is_left_over():
    """Every source is in a meson.build of its folder or one above, and every header is included. The examples
    are compiled by a test of their own."""
    builds = [path for path in FILES if path.name == "meson.build"]
    named = " ".join(path.read_text() for path in builds)
    included = {Path(what).name for path in CODE for _, _, what in includes(path)}
    left = [
        path
        for path in CODE
        if (path.suffix == ".h" and path.name not in included and path.name not in named)
        or (path.suffix == ".cc" and not re.search(rf"\b{stem_in_build(path)}", named))
    ]
    none_of(path for path in left if not path.is_relative_to(REPOSITORY / "contrib/examples"))


def stem_in_build(path):
    """meson.build files name some sources without what all of a folder's have at their end."""
    return re.escape(re.sub(r"_(test|bench|fuzz)$", "", path.stem))


def faults_of_lines(path):
    text = path.read_text()
    if not text.endswith("\n") and text:
        yield f"{short(path)}: no newline at the end"
    if text.endswith("\n\n"):
        yield f"{short(path)}: blank lines at the end"
    for number, line in enumerate(text.splitlines(), 1):
        place = f"{short(path)}:{number}"
        if line != line.rstrip():
            yield f"{place}: blanks at the end"
        if "\t" in line and path.suffix not in (".go", ".txt"):
            yield f"{place}: tab"
        if re.search(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b", line):
            yield f"{place}: something is left to do"


def test_lines():
    none_of(fault for path in FILES if is_text(path) for fault in faults_of_lines(path))


def test_files_are_short():
    long = [
        f"{short(path)}: {count} lines"
        for path in FILES
        if path.suffix in (".cc", ".h", ".py")
        and (count := path.read_text().count("\n")) > MAX_LINES
    ]
    none_of(long)


@pytest.mark.parametrize(
    "pattern, reason",
    [
        (r"using namespace std\b", "names of the standard library are written in full"),
        (r"^#include <(iostream|regex)>", "slow to start, slow to compile"),
        (r"\b(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|strtok|rand|srand|system|popen)\(",
         "unbounded, unchecked or not safe with threads"),
        (r"\b(usleep|sleep|sleep_for|sleep_until)\(", "waiting is for something, not for a while"),
        (r"\bnew [A-Z]\w*\(", "owned from the start: make_unique, or a unique_ptr at once"),
    ],
)
def test_banned_in_the_program(pattern, reason):
    found = [
        f"{short(path)}:{number}: {line.strip()}"
        for path in (*SOURCES, *PUBLIC)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(pattern, line) and "unique_ptr" not in line and ".reset(new" not in line
        and not line.lstrip().startswith("std::this_thread::sleep_for(seconds_of(")  # DEBUG SLEEP
    ]
    assert not found, f"{reason}: {found}"


def test_scripts_can_be_run():
    scripts = [path for path in FILES if path.read_bytes()[:3] == b"#!/"]
    unable = [path for path in scripts if not path.stat().st_mode & stat.S_IXUSR]
    none_of(unable)


def test_shell_scripts_stop_at_an_error():
    shells = [p for p in FILES if re.match(rb"#!/bin/(ba)?sh", p.read_bytes()[:20])]
    assert shells
    careless = [p for p in shells if not re.search(r"^set -eu?", p.read_text(), re.MULTILINE)]
    none_of(careless)
