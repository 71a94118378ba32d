"""meson install puts files where a system looks for them."""

import os
import re
import subprocess


def test_system_install_is_complete(system_build, install, tmp_path):
    root = tmp_path / "root"
    install(system_build, root)
    expected = {
        "usr/bin/number-dispenser",
        "etc/number-dispenser/number-dispenser.yaml",
        "lib/systemd/system/number-dispenser.service",
        "usr/lib/sysusers.d/number-dispenser.conf",
        "usr/lib/tmpfiles.d/number-dispenser.conf",
        "usr/share/bash-completion/completions/number-dispenser",
        "usr/share/fish/vendor_completions.d/number-dispenser.fish",
        "usr/share/man/man5/number-dispenser.conf.5",
        "usr/share/man/man7/number-dispenser-cluster.7",
        "usr/share/man/man7/number-dispenser-commands.7",
        "usr/share/man/man7/number-dispenser-strategies.7",
        "usr/share/man/man8/number-dispenser.8",
        "usr/share/number-dispenser/number-dispenser.yaml",
        "usr/share/number-dispenser/seccomp.json",
        "usr/share/zsh/vendor-completions/_number-dispenser",
    }
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert found == expected
    assert os.access(root / "usr/bin/number-dispenser", os.X_OK)
    assert (root / "etc/number-dispenser/number-dispenser.yaml").stat().st_mode & 0o777 == 0o640


def test_unit_names_what_was_installed(system_build, install, tmp_path):
    root = tmp_path / "root"
    install(system_build, root)
    unit = (root / "lib/systemd/system/number-dispenser.service").read_text()
    program, config = re.search(r"^ExecStart=(\S+) --config (\S+)", unit, re.MULTILINE).groups()
    assert (root / program[1:]).is_file()
    assert (root / config[1:]).is_file()
    assert re.search(rf"^ExecPaths={program} ", unit, re.MULTILINE)
    assert "@" not in re.sub(r"^#.*|@[a-z-]+( |$)", "", unit, flags=re.MULTILINE)


def test_second_install_keeps_an_edited_configuration(system_build, install, tmp_path):
    root = tmp_path / "root"
    install(system_build, root)
    config = root / "etc/number-dispenser/number-dispenser.yaml"
    config.write_text("# edited\n")
    install(system_build, root)
    assert config.read_text() == "# edited\n"


def test_install_stays_below_its_prefix(build_directory, install, tmp_path):
    options = subprocess.run(["meson", "introspect", "--buildoptions", build_directory],
                             capture_output=True, text=True, check=True, timeout=120).stdout
    prefix = re.search(r'"name": "prefix", "value": "([^"]*)"', options)[1]
    root = tmp_path / "root"
    install(build_directory, root)
    found = [path for path in root.rglob("*") if path.is_file()]
    assert found
    if prefix != "/usr":
        assert all(path.is_relative_to(root / prefix[1:]) for path in found)
