"""The checker of histories is checked: what is planted in a good history is found, and nothing else is."""

import sys
import tempfile
from pathlib import Path

_HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(_HERE), str(_HERE.parent / "e2e")]

from checker import History, disorder, duplicates, stale_generations  # noqa: E402
from history import GENERATION, Writer, pack, read  # noqa: E402

STEPS = {"x": 3}
STARTING = {"x": GENERATION}
MS = 1_000_000


def history_of(*records):
    """records: (who, asked, done, numbers counted in steps from the start of a generation, generation)."""
    history = History(STEPS, STARTING)
    for who, asked, done, places, generation in records:
        numbers = [generation * GENERATION + 3 * place for place in places]
        history.add(who, next(iter(read_back(asked * MS, done * MS, numbers))))
    return history


def read_back(asked, done, numbers):
    """A record as it comes out of a file."""
    with tempfile.NamedTemporaryFile() as file:
        writer = Writer(file.name)
        writer.replies(asked, done, "0", "x", numbers, 3)
        writer.close()
        return list(read(file.name, STEPS))


GOOD = (
    ("a", 1, 2, [0, 1, 2], 1), ("b", 1, 2, [1000, 1001], 1), ("a", 3, 4, [3, 5, 6], 1),
    ("a", 3, 5, [4], 1), ("b", 6, 7, [1002], 1), ("a", 8, 9, [0], 2),
)


def kinds(found):
    return [kind for kind, _ in found]


def test_runs_of_numbers_are_packed():
    assert pack([10, 13, 16, 22, 25, 7], 3) == "10+3 22+2 7+1"


def test_nothing_is_found_in_a_good_history():
    history = history_of(*GOOD)
    assert duplicates(history) + disorder(history) == []
    assert history.numbers == 11 and history.received("x", 1, "a") == 7


def test_a_number_of_two_nodes_is_found():
    assert kinds(duplicates(history_of(*GOOD, ("c", 8, 9, [1001], 1)))) == ["duplicate"]


def test_a_number_of_one_node_twice_is_found():
    assert kinds(duplicates(history_of(*GOOD, ("a", 3, 9, [5], 1)))) == ["duplicate"]


def test_a_number_within_a_long_run_is_found_behind_shorter_ones():
    runs = [("a", 1, 2, range(0, 100), 1), ("b", 1, 2, [200], 1), ("b", 1, 2, [99], 1)]
    assert kinds(duplicates(history_of(*runs))) == ["duplicate"]


def test_the_same_number_of_another_generation_is_none():
    assert duplicates(history_of(*GOOD, ("b", 8, 9, [0, 1], 3))) == []


def test_a_number_between_the_steps_is_found():
    history = History(STEPS, STARTING)
    history.add("a", read_back(1, 2, [GENERATION + 1])[0])
    assert kinds(duplicates(history)) == ["off the steps"]


def test_a_smaller_number_asked_for_later_is_found():
    assert kinds(disorder(history_of(("a", 1, 2, [7], 1), ("a", 3, 4, [6], 1)))) == ["order"]


def test_requests_at_the_same_time_have_no_order():
    assert disorder(history_of(("a", 1, 3, [7], 1), ("a", 2, 4, [6], 1))) == []


def test_an_old_generation_from_the_node_that_replaced_it_is_found():
    history = history_of(("a", 10, 11, [1], 1))
    found, _ = stale_generations(history, [("x", 2, "a", 5 * MS, 6 * MS)], [])
    assert kinds(found) == ["old generation"]


def test_another_node_may_follow_a_little_later():
    acknowledged = [("x", 2, "b", 5 * MS, 6 * MS)]
    soon, late = (history_of(("a", at, at + 1, [1], 1)) for at in (50, 5000))
    assert stale_generations(soon, acknowledged, []) == ([], [(44 * MS, True)])
    assert kinds(stale_generations(late, acknowledged, [])[0]) == ["old generation"]
    # One that is cut off cannot know.
    cut = [["cut off", "a", 4 * MS, 6000 * MS]]
    assert stale_generations(late, acknowledged, cut)[0] == []


def test_a_line_that_was_cut_off_is_left_out(tmp_path):
    (tmp_path / "record").write_text("1 2 0 x 1000000000000+2\n1 2 0 x ? 3\n1 2 0 x ! ERR no\n1 2 0 x 10000000")
    assert len(list(read(tmp_path / "record", STEPS))) == 3
