"""What tests of one node in the place of another do."""

import time

from harness.waiting import PATIENCE, wait_for

from .node import IN_USE

MARK_MOVES_S = 3.5  # of use: the mark moves about once a second
GIVES_UP_S = 45 * PATIENCE  # whoever waits for another one to vanish


def draw_for(node, drawn, seconds, each=50):
    end = time.monotonic() + seconds
    with node.connect() as client:
        while time.monotonic() < end:
            drawn.take(node, each, client)
            time.sleep(0.05)


def start_when_free(node):
    """Starts it as soon as nobody has its id any more."""
    deadline = time.monotonic() + GIVES_UP_S
    while True:
        node.spawn()
        wait_for(lambda: node.process.poll() is not None or answers(node), "an end or an answer", GIVES_UP_S)
        if node.process.poll() is None:
            return node.wait_for_state("connected", timeout_s=GIVES_UP_S)
        ended = node.wait()
        assert ended.status == IN_USE, ended
        assert time.monotonic() < deadline, "the id does not become free"


def answers(node, *words):
    try:
        return node.command(*(words or ("PING",)))
    except Exception:  # Whatever it is, there is no answer yet.
        return None


def note_the_rest(sleeper, drawn):
    """The numbers that a process which slept has still sent to this connection, until it closed it."""
    for reply in sleeper.read_to_end().split(b"\r\n"):
        if reply.isdigit():
            drawn.note("the sleeper", int(reply))
    sleeper.close()
