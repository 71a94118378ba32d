"""The container files, as far as they can be checked without an engine."""

import pathlib
import re
import subprocess

import pytest
import yaml

INSTRUCTIONS = {
    "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "RUN", "STOPSIGNAL", "USER",
    "VOLUME", "WORKDIR",
}


@pytest.fixture
def docker(repository):
    return repository / "contrib/docker"


@pytest.fixture
def instructions(docker):
    """(instruction, arguments) with continuation lines joined."""
    text = re.sub(r"^#.*\n", "", (docker / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [tuple(line.split(None, 1)) for line in lines if line.strip()]


def packages(instructions, stage):
    """The packages that apt-get installs in the stage of that number."""
    current, found = -1, []
    for name, arguments in instructions:
        current += name == "FROM"
        if current == stage and name == "RUN":
            for install in re.findall(r"apt-get install ([^&]*)", arguments):
                found += [word for word in install.split() if not word.startswith("-")]
    return found


def owner(path):
    """The package of a library, which may know it without the /usr of a merged system."""
    real = str(pathlib.Path(path).resolve())
    found = subprocess.run(["dpkg", "-S", real, real.removeprefix("/usr")],
                           capture_output=True, text=True, timeout=120).stdout
    assert found, f"no package has {path}"
    return found.split(":")[0]


def is_debian_12():
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            release = file.read()
    except OSError:
        return False
    return "ID=debian\n" in release and 'VERSION_ID="12"' in release


def test_dockerfile_has_only_instructions_that_exist(instructions):
    assert instructions[0][0] == "FROM"
    assert {name for name, _ in instructions} <= INSTRUCTIONS
    assert all("debian:12-slim" in arguments for name, arguments in instructions if name == "FROM")


def test_image_runs_as_a_user_of_its_own_with_a_volume(instructions):
    last = dict(instructions)
    assert last["USER"] == "number-dispenser"
    assert last["VOLUME"] == "/var/lib/number-dispenser"
    assert last["ENV"] == "NUMBER_DISPENSER_DATA=/var/lib/number-dispenser"
    assert last["EXPOSE"] == "6380"


def test_build_stage_installs_what_a_build_without_tests_needs(instructions, repository):
    library = (repository / "contrib/lib.sh").read_text()
    needed = set(re.search(r"build_packages=\(([^)]*)\)", library)[1].split())
    assert set(packages(instructions, 0)) == needed - {"libgtest-dev", "libbenchmark-dev"}


@pytest.mark.parametrize("stage", [0, 1])
def test_packages_of_the_image_exist(instructions, stage):
    names = packages(instructions, stage)
    assert names
    if not is_debian_12():
        pytest.skip("this is not the image's distribution")
    listed = subprocess.run(["apt-cache", "madison", *names],
                            capture_output=True, text=True, check=True, timeout=120).stdout
    if not listed:
        pytest.skip("apt has no package lists: apt-get update")
    assert {line.split("|")[0].strip() for line in listed.splitlines()} == set(names)


def test_image_has_every_library_of_the_server(instructions, server_binary):
    """Each library that the program loads is in a package of the second stage, or in one that such
    a package depends on."""
    if not is_debian_12():
        pytest.skip("this is not the image's distribution")
    loaded = subprocess.run(["ldd", server_binary], capture_output=True, text=True, check=True,
                            timeout=120).stdout
    owners = {owner(path) for path in re.findall(r"=> (/\S+)", loaded)}
    assert "libstdc++6" in owners
    needed = subprocess.run(
        ["apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts",
         "--no-breaks", "--no-replaces", "--no-enhances", *packages(instructions, 1)],
        capture_output=True, text=True, check=True, timeout=120).stdout
    assert owners <= set(needed.split())


def test_profile_and_volume_of_the_compose_file_are_those_of_the_image(docker, instructions):
    compose = yaml.safe_load((docker / "compose.yaml").read_text())
    service = compose["services"]["number-dispenser"]
    assert (docker / service["build"]["context"] / service["build"]["dockerfile"]).samefile(
        docker / "Dockerfile")
    profile = next(option for option in service["security_opt"] if option.startswith("seccomp="))
    assert (docker / profile.partition("=")[2]).is_file()
    targets = dict(reversed(volume.split(":")) for volume in service["volumes"])
    assert targets[dict(instructions)["VOLUME"]] in compose["volumes"]
    assert targets["/dev/shm"] == "/dev/shm"
    assert service["read_only"] and service["cap_drop"] == ["ALL"]


def test_compose_variables_are_those_of_help(docker, help_text):
    service = yaml.safe_load((docker / "compose.yaml").read_text())["services"]["number-dispenser"]
    assert service["environment"]
    assert all(re.search(rf"\b{name}\b", help_text) for name in service["environment"])
