"""Runs the system's tools, bounded in time."""

import subprocess

TOOL_TIMEOUT_S = 60


def run(*words):
    """Runs a tool to its end and returns what it printed; fails with its words if it fails."""
    done = subprocess.run(
        [str(word) for word in words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TOOL_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def try_to_run(*words):
    """Runs a tool; whether it succeeded."""
    try:
        run(*words)
    except AssertionError:
        return False
    return True
