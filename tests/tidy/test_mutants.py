"""The planted bugs still fit the source: run_mutants and tests/model/mutants build them, this is quick."""

import importlib.util
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def load_mutants():
    spec = importlib.util.spec_from_file_location("mutants", ROOT / "tests/sim/mutants.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.MUTANTS


@pytest.mark.parametrize("mutant", load_mutants(), ids=lambda mutant: mutant.name)
def test_a_planted_bug_has_exactly_one_place(mutant):
    assert (ROOT / mutant.file).read_text().count(mutant.old) == 1, mutant.file
    assert mutant.new != mutant.old


def test_names_of_planted_bugs_are_in_the_published_table():
    table = (ROOT / "tests/sim/MUTANTS.md").read_text()
    assert [m.name for m in load_mutants() if f"| {m.name} |" not in table] == []


def test_the_models_planted_bugs_find_their_places():
    fits = subprocess.run([ROOT / "tests/model/mutants", "--fits"], capture_output=True, text=True)
    assert fits.returncode == 0, fits.stderr
