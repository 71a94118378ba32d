# shellcheck shell=bash
# What the scripts beside this file share: packages, users, build directories. Sourced, never run.
# Messages go to standard error, so that a script's standard output is its result.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# shellcheck disable=SC2034  # used where this is sourced
build_packages=(
  g++ libabsl-dev libbenchmark-dev libcli11-dev libcurl4-openssl-dev libfmt-dev libgtest-dev libisal-dev libspdlog-dev
  libssl-dev libsystemd-dev liburing-dev libyaml-cpp-dev meson ninja-build nlohmann-json3-dev pkg-config
)

say() { printf '%s\n' "$*" >&2; }
die() { say "${0##*/}: $*"; exit 1; }

# --- users -------------------------------------------------------------------------------------------
# Under sudo, what belongs to the tree is made by the user who called sudo: a build directory of root's
# would be in that user's way. Not where that user could not write to the tree.

owner=
if [[ $EUID == 0 && ${SUDO_USER:-root} != root ]] &&
  setpriv --reuid "$SUDO_USER" --regid "$(id -g "$SUDO_USER")" --init-groups \
    test -w "$repository"; then
  owner=$SUDO_USER
fi

# The words that run a command as the owner of the tree; none where this is the owner. They end by executing
# the command, so signals reach it.
as_owner=()
if [[ -n $owner ]]; then
  as_owner=(env "HOME=$(getent passwd "$owner" | cut -d: -f6)" "USER=$owner" "LOGNAME=$owner"
    setpriv --reuid "$owner" --regid "$(id -g "$owner")" --init-groups)
fi

# Runs a command as root.
as_root() {
  if [[ $EUID == 0 ]]; then
    "$@"
  elif command -v sudo > /dev/null; then
    sudo "$@"
  else
    die "needs root for: $*"
  fi
}

# --- packages ----------------------------------------------------------------------------------------

# Those of the packages that are not installed, one a line.
missing_packages() {
  comm -23 <(printf '%s\n' "$@" | sort -u) \
    <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2> /dev/null |
      sed -n 's/^installed //p' | sort -u)
}

# Installs what is missing of the packages; quick where nothing is.
install_packages() {
  if ! command -v apt-get > /dev/null; then
    say "This is not Debian. It needs what Debian calls: $*"
    return 0
  fi
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [[ ${#missing[@]} == 0 ]] && return 0
  say "Installing with apt-get: ${missing[*]}"
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300)
  as_root "${apt[@]}" update < /dev/null >&2 || say "apt-get update failed; trying without"
  as_root "${apt[@]}" install --no-install-recommends "${missing[@]}" < /dev/null >&2 ||
    die "apt-get could not install: ${missing[*]}"
}

# --- building ----------------------------------------------------------------------------------------

# configure DIRECTORY OPTION...: a build directory of this tree with these meson options. Does nothing where it
# has been configured with the same.
configure() {
  local directory=$1 mark
  shift
  mark="${CC:-} ${CXX:-} $*"
  if [[ -f $directory/build.ninja ]]; then
    if [[ ! -f $directory/configured || $(< "$directory/configured") != "$mark" ]]; then
      "${as_owner[@]}" meson configure "$directory" "$@" >&2
    fi
  else
    "${as_owner[@]}" mkdir -p "$directory"
    "${as_owner[@]}" meson setup "$directory" "$repository" "$@" >&2
  fi
  "${as_owner[@]}" tee "$directory/configured" <<< "$mark" > /dev/null
}

build() {
  local directory=$1
  shift
  "${as_owner[@]}" ninja -C "$directory" "$@" >&2
}
