#!/usr/bin/python3
"""Runs clang-tidy on the program's sources, two at a time, and remembers what it has found clean.

Usage: run_clang_tidy.py BUILD CACHE [SOURCE]...

BUILD is a meson build directory of this tree that has been built: its compile_commands.json says how a source is
compiled, and its dependencies say on which files the result rests. A source is looked at again when
one of those, the command or .clang-tidy has changed. Exit status 1 if something was found.
"""

import concurrent.futures
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TOOL = "clang-tidy-19"
FOLDERS = ("src", "bench")
# For one source, which takes seconds where nothing else runs: contrib/check gives this what its tests leave.
LIMIT_S = 1200


def dependencies(build):
    """For each object file: the files it was made from."""
    listed = subprocess.run(["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True,
                            check=True, timeout=120).stdout
    found, current = {}, None
    for line in listed.splitlines():
        if line.startswith("    "):
            current.append(build / line.strip())
        elif ": #deps" in line:
            current = found.setdefault(line.split(":")[0], [])
    return found


def sources(build, wanted):
    """(source, object, command) of what is to be looked at."""
    folders = [REPOSITORY / folder for folder in FOLDERS]
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = (Path(entry["directory"]) / entry["file"]).resolve()
        # Not headers: meson compiles precompiled ones as if they were sources.
        ours = source.suffix == ".cc" and any(source.is_relative_to(folder) for folder in folders)
        if (source in wanted) if wanted else ours:
            yield source, entry["output"], entry["command"]


def fingerprint(command, files, cache):
    """Of everything that clang-tidy will read of this tree."""
    digest = hashlib.sha256(command.encode())
    for path in sorted({path.resolve() for path in files}):
        if path not in cache:
            cache[path] = hashlib.sha256(path.read_bytes()).digest()
        digest.update(cache[path])
    return digest.hexdigest()


def tidy(build, source):
    """(whether it is clean, what was found)"""
    try:
        done = subprocess.run([TOOL, "-p", build, "--quiet", source], capture_output=True, text=True,
                              timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return False, f"{source}: {TOOL} was not done with it after {LIMIT_S} s"
    return done.returncode == 0, done.stdout + done.stderr


def main():
    build, cache = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    wanted = {Path(name).resolve() for name in sys.argv[3:]}
    cache.mkdir(parents=True, exist_ok=True)
    made_from, hashes, todo = dependencies(build), {}, []
    version = subprocess.run([TOOL, "--version"], capture_output=True, text=True, check=True,
                             timeout=120).stdout
    total = 0
    for source, output, command in sources(build, wanted):
        total += 1
        files = [source, REPOSITORY / ".clang-tidy", *made_from.get(output, [])]
        stamp = cache / fingerprint(version + command, files, hashes)
        if not stamp.exists():
            todo.append((source, stamp))

    found = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda job: (*job, *tidy(build, job[0])), todo)
        for source, stamp, clean, output in results:
            if clean:
                stamp.write_text(f"{source}\n")
            else:
                found += 1
                print(output)
    print(f"{total} sources, {len(todo)} looked at, {found} with findings")
    return 1 if found or total == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
