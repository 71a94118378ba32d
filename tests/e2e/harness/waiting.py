"""Waiting for a condition: the tests never sleep to let something happen, they poll."""

import os
import time

# Sanitized builds on a busy machine are many times slower: ND_PATIENCE multiplies every deadline.
PATIENCE = float(os.environ.get("ND_PATIENCE", "1"))
# What takes milliseconds takes many seconds on a machine with other work.
TIMEOUT_S = 60 * PATIENCE


def wait_for(condition, what, timeout_s=TIMEOUT_S):
    """Calls `condition` until it returns something true and returns that; fails at the end."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s:.0f} s in vain for {what}")
        time.sleep(0.005)
