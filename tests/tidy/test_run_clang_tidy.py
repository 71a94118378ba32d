"""run_clang_tidy.py, with another program in place of clang-tidy."""

import run_clang_tidy


def test_a_source_that_takes_too_long_is_a_finding(monkeypatch, tmp_path):
    endless = tmp_path / "endless"
    endless.write_text("#!/bin/sh\nexec sleep 600\n")
    endless.chmod(0o755)
    monkeypatch.setattr(run_clang_tidy, "TOOL", str(endless))
    monkeypatch.setattr(run_clang_tidy, "LIMIT_S", 0.1)
    clean, said = run_clang_tidy.tidy(tmp_path, tmp_path / "slow.cc")
    assert not clean
    assert "slow.cc: " in said and "was not done with it after 0.1 s" in said


def test_only_sources_are_looked_at(tmp_path):
    entries = [{"directory": str(run_clang_tidy.REPOSITORY), "file": f"src/{name}", "output": f"{name}.o",
                "command": ""} for name in ("main.cc", "pch/standard.h")]
    (tmp_path / "compile_commands.json").write_text(run_clang_tidy.json.dumps(entries))
    assert [output for _, output, _ in run_clang_tidy.sources(tmp_path, set())] == ["main.cc.o"]
