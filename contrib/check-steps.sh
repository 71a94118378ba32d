# shellcheck shell=bash
# The steps of contrib/check. Sourced by it. A step runs in a shell of its own, in the top folder of the
# repository, with `set -e`, and without input. It may use $mode, $scratch, $step, $tally and $again.
# shellcheck disable=SC2154  # which are set where this is sourced

# shellcheck disable=SC2034  # used by contrib/check
{
  quick_steps=(format scripts style build unit readme)
  all_steps=(
    format scripts style build unit asan-build tsan-build clang-tidy sim mutants readme e2e cluster jepsen redis clients
    ops faults benchmarks asan-unit asan-e2e tsan-unit tsan-e2e powercut asan-sim fuzz
  )
  long_steps=("${all_steps[@]}" coverage)
  # Of these, the ones that take only the time that the others leave.
  background_steps=(asan-build tsan-build clang-tidy)
  # And those in whose tests a busy machine can be to blame: they may be looked at again.
  unsteady_steps=(unit readme e2e cluster redis clients ops faults asan-unit asan-e2e tsan-unit tsan-e2e)
}

# Not every version of the tree has every suite.
# shellcheck disable=SC2034
declare -A needs=(
  [sim]=tests/sim [asan-sim]=tests/sim [redis]=tests/redis [faults]=tests/faults
  [powercut]=tests/powercut [clients]=tests/clients [cluster]=tests/cluster [jepsen]=tests/jepsen
)

check_packages=(
  bash-completion btrfs-progs clang-19 clang-format clang-tidy-19 e2fsprogs etcd-client fish fuse3
  golang-github-gomodule-redigo-dev golang-go iproute2 lcov libclang-rt-19-dev libcurl4 libfaketime libfuse3-dev
  libhiredis-dev man-db mandoc mount nftables openssl procps python3 python3-pytest python3-redis python3-seccomp
  python3-yaml redis-tools shellcheck systemd util-linux xfsprogs zsh
)

client_packages=(golang-gopkg-redis.v5-dev libev-dev libevent-dev)

# Node's package manager may come from elsewhere, and then Debian's package would conflict with it.
install_check_packages() {
  local packages=("${build_packages[@]}" "${check_packages[@]}")
  command -v npm > /dev/null || packages+=(nodejs npm)
  install_packages "${packages[@]}"
  install_without_services redis-server etcd-server
  # Where a client cannot be installed, its tests are skipped and say so.
  (install_packages "${client_packages[@]}") || say "not all clients are installed"
  (install_without_services haproxy prometheus-redis-exporter) || say "not all clients are installed"
}

# The tests need these programs, nobody their services: they are neither started nor enabled, unless they were there
# before.
install_without_services() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  local policy=/usr/sbin/policy-rc.d kept=
  if [[ -e $policy ]]; then
    kept=$policy.kept-by-number-dispenser
    as_root mv "$policy" "$kept"
  fi
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" > /dev/null
  as_root chmod 755 "$policy"
  local status=0 package
  (install_packages "${missing[@]}") || status=$?
  as_root rm -f "$policy"
  [[ -z $kept ]] || as_root mv "$kept" "$policy"
  if [[ $status == 0 ]] && command -v systemctl > /dev/null; then
    for package in "${missing[@]}"; do
      as_root systemctl disable "$package" || say "the service of $package stays enabled"
    done
  fi
  return "$status"
}

# --- runners -----------------------------------------------------------------------------------------

results=contrib/check-results.py

# note_failed RUNNER REPORT: the names of the failed tests, for a second look, if that is allowed.
note_failed() {
  [[ " ${unsteady_steps[*]} " == *" $step "* && ${#again[@]} == 0 ]] || return 0
  "$results" again "$@" > "$scratch/again.$step" || rm "$scratch/again.$step"
}

# run_pytest SECONDS ARGUMENT...; only those named in $again, if any.
run_pytest() {
  local seconds=$1 report=$scratch/pytest.xml status=0
  shift
  ((${#again[@]} == 0)) || set -- "${again[@]}"
  rm -f "$report"
  timeout --kill-after=10 "$seconds" /usr/bin/python3 -m pytest -q -rs --durations=5 \
    -p no:cacheprovider --rootdir "$repository" -o junit_family=xunit1 --junitxml "$report" "$@" || status=$?
  [[ ! -s $report ]] || "$results" pytest "$report" > "$tally"
  # 1: tests failed, and nothing else went wrong.
  [[ $status != 1 ]] || note_failed pytest "$report"
  return "$status"
}

# run_meson_tests DIRECTORY PATIENCE ARGUMENT...: builds what the tests need and runs them, within PATIENCE times
# their time limits; $again as above.
run_meson_tests() {
  local directory=$1 patience=$2 status=0
  shift 2
  # A program that crashes would leave the reports of the run before.
  rm -f "$directory"/*.xml "$directory"/meson-logs/testlog.json
  ((${#again[@]} == 0)) || set -- "${again[@]}"
  "${as_owner[@]}" meson test -C "$directory" --print-errorlogs --timeout-multiplier "$patience" "$@" || status=$?
  [[ ! -s $directory/meson-logs/testlog.json ]] || "$results" meson "$directory" > "$tally"
  [[ $status == 0 || ! -s $tally ]] || note_failed meson "$directory"
  return "$status"
}

# --- the steps ---------------------------------------------------------------------------------------

own_files() {
  find . \( -name 'build*' -o -name .git -o -name node_modules \) -prune -o -type f "$@" -print
}

step_format() {
  own_files \( -name '*.cc' -o -name '*.h' \) | xargs clang-format --dry-run -Werror
}

step_scripts() {
  own_files -size -200k | xargs awk 'FNR == 1 && /^#!\/bin\/(ba)?sh|^# shellcheck shell=/ { print FILENAME }' |
    xargs shellcheck --external-sources
}

# The planted bugs are in it too: whether they fit the source.
step_style() { run_pytest 120 tests/tidy/test_style.py tests/tidy/test_mutants.py; }

# build_release [TARGET]...: everything, or only what a step needs.
build_release() {
  configure build --buildtype=release -Dwerror=true
  build build "$@"
  export ND_BUILD=$repository/build ND_SERVER=$repository/build/number-dispenser
}

step_build() { build_release; }

step_unit() {
  build_release number-dispenser
  run_meson_tests build 3 --suite unit
}

# The deterministic simulator and the exhaustive model.
step_sim() {
  build_release number-dispenser
  run_meson_tests build 3 --no-suite unit
  [[ $mode != long ]] || build/tests/sim/nd-sim --seconds 900
}

# Planted bugs, each of which has to be found: some of them, or all.
step_mutants() {
  local simulated=(--sample 3) modelled=(--sample 2)
  if [[ $mode == long ]]; then
    simulated=() modelled=()
  fi
  "${as_owner[@]}" tests/sim/run_mutants "${simulated[@]}"
  "${as_owner[@]}" tests/model/mutants "${modelled[@]}"
}

# Lines and branches; the lower layers have to be reached everywhere.
step_coverage() { contrib/coverage; }

step_clang_tidy() {
  build_release
  "${as_owner[@]}" /usr/bin/python3 tests/tidy/run_clang_tidy.py build build-check/tidy
}

step_readme() {
  build_release number-dispenser
  run_pytest 600 tests/tidy --ignore tests/tidy/test_style.py
}

step_e2e() {
  build_release number-dispenser
  if [[ $mode == long ]]; then
    export ND_LONG=1 ND_ROUNDS=200
  fi
  run_pytest 3600 tests/e2e
}

# Nodes on a real etcd, and etcd away in every way.
step_cluster() {
  build_release number-dispenser
  [[ $mode != long ]] || export ND_LONG=1
  run_pytest 1800 tests/cluster
}

# Members of etcd and nodes on machines of their own, and everything going wrong that can.
step_jepsen() {
  build_release number-dispenser
  run_pytest 60 tests/jepsen/test_checker.py
  local seconds=60 status=0
  [[ $mode != long ]] || seconds=600
  tests/jepsen/run --seconds "$seconds" || status=$?
  # 77: it cannot run here.
  [[ $status != 77 ]] || return 0
  return "$status"
}

# The same requests to Debian's redis-server and to this one.
step_redis() {
  build_release number-dispenser
  run_pytest 600 tests/redis
}

# Each client with its own idioms; npm's packages stay in build-check/.
step_clients() {
  build_release number-dispenser
  run_pytest 300 tests/clients
}

# Disks that fail or fill up.
step_faults() {
  build_release number-dispenser
  run_pytest 1800 tests/faults
}

# Virtual machines whose power is cut.
step_powercut() {
  build_release number-dispenser
  local cuts=3 status=0
  [[ $mode != long ]] || cuts=25
  tests/powercut/run --cuts "$cuts" --fs both || status=$?
  # 77: it cannot run here.
  [[ $status != 77 ]] || { printf '0 0 1\n' > "$tally"; return 0; }
  return "$status"
}

step_ops() {
  build_release number-dispenser
  run_pytest 900 tests/ops
}

# That they run, not how fast: a shared machine says nothing about that.
step_benchmarks() {
  build_release
  local program
  for program in build/bench/*-bench; do
    "$program" --benchmark_min_time=0.001
  done
}

# build_sanitized NAME SANITIZERS: enough optimisation to be quick, enough left to read a report.
build_sanitized() {
  local directory=build-check/$1
  configure "$directory" --buildtype=plain -Doptimization=1 "-Db_sanitize=$2" -Db_lundef=false \
    -Dbenchmarks=disabled -Dcpp_args='-g1 -fno-omit-frame-pointer -fno-sanitize-recover=all'
  build "$directory" number-dispenser
  export ND_BUILD=$repository/$directory
  export ND_SERVER=$ND_BUILD/number-dispenser ND_PATIENCE=4 ND_MANY=20000 ND_ROUNDS=4
  export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
  export UBSAN_OPTIONS=print_stacktrace=1
  export TSAN_OPTIONS=second_deadlock_stack=1:halt_on_error=1
}
build_asan() { build_sanitized asan address,undefined; }
build_tsan() { build_sanitized tsan thread; }

# With the tests that run later.
step_asan_build() {
  build_asan
  build_unit_tests
  build "$ND_BUILD" tests/sim/nd-sim
}
step_tsan_build() {
  build_tsan
  build_unit_tests
}
build_unit_tests() {
  ninja -C "$ND_BUILD" -t targets all | sed -n 's|^\(tests/unit/test-[a-z]*\): .*|\1|p' |
    xargs "${as_owner[@]}" ninja -C "$ND_BUILD" >&2
}

step_asan_unit() {
  build_asan
  run_meson_tests "$ND_BUILD" 8 --suite unit
}

step_asan_sim() {
  build_asan
  build "$ND_BUILD" tests/sim/nd-sim
  nice "$ND_BUILD/tests/sim/nd-sim" --seeds 300
}

step_asan_e2e() {
  build_asan
  run_pytest 1800 tests/e2e
}

# The tests of what several threads share.
step_tsan_unit() {
  build_tsan
  local tests
  mapfile -t tests < <("$results" threaded "$ND_BUILD")
  ((${#tests[@]} > 1)) || die "no test starts a thread"
  export GTEST_FILTER=${tests[0]}
  run_meson_tests "$ND_BUILD" 10 "${tests[@]:1}"
}

step_tsan_e2e() {
  build_tsan
  run_pytest 900 tests/e2e/test_threads.py tests/e2e/test_other_connections.py tests/e2e/test_monitor.py
}

# Every corpus again, and then so many seconds of new inputs.
step_fuzz() {
  local seconds=60
  [[ $mode != long ]] || seconds=600
  nice contrib/fuzz "$seconds" | tee "$scratch/fuzz"
  awk '/^fuzz: .* ok$/ { ok++ } /^fuzz: .* FAILED$/ { bad++ } END { print ok + 0, bad + 0, 0 }' \
    "$scratch/fuzz" > "$tally"
}
