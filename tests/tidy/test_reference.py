"""What the manual and the completions repeat of the program's tables is what these say now."""

import os
import shutil
import subprocess

from served import REPOSITORY

PROGRAM = os.environ.get("ND_SERVER", REPOSITORY / "build/number-dispenser")


def refresh(tree, *options):
    return subprocess.run([tree / "contrib/refresh-reference", *options, PROGRAM],
                          capture_output=True, text=True, timeout=120)


def test_reference_is_up_to_date():
    done = refresh(REPOSITORY, "--check")
    assert done.returncode == 0, f"{done.stdout}{done.stderr}contrib/refresh-reference mends it"


def test_a_stale_file_is_named_and_mended(tmp_path):
    for name in ("contrib", "man"):
        shutil.copytree(REPOSITORY / name, tmp_path / name,
                        ignore=shutil.ignore_patterns("node_modules"))
    page = tmp_path / "man/number-dispenser-commands.7"
    fresh = page.read_text()
    page.write_text(fresh.replace(".It Ic MGET", ".It Ic MFETCH"))
    done = refresh(tmp_path, "--check")
    assert (done.returncode, done.stdout) == (1, "man/number-dispenser-commands.7 is out of date\n")
    assert refresh(tmp_path).returncode == 0
    assert page.read_text() == fresh
