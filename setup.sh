#!/usr/bin/env bash
# The one door to Conveyor: every verb first installs what is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

VENV=.venv
STAMP="$VENV/.installed-pins"
PY="$VENV/bin/python"

usage() {
    cat <<'TEXT'
usage: ./setup.sh VERB [ARGUMENTS]

  install   make .venv and install the pinned requirements (only when they changed)
  run       start the service on 127.0.0.1:8080; flags: ./setup.sh run --help
  keys      make, list and revoke API keys; ./setup.sh keys --help
  test      run the tests; arguments go to pytest. --long runs the long forms of the proofs
            (an hour), --seed N repeats what failed; -s shows what was measured
  check     ruff, mypy (strict) and import-linter
  fix       let ruff format the code and repair what it can
  manifests render k8s/dispatcher.yaml and the others from their sources; needs kubectl
  bench     measure accuracy, throughput, cache, memory; arguments go to the benchmark
  lock      pin anew what the container images install, as requirements.txt says; arguments go to pip
TEXT
}

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
die() { printf 'setup.sh: %s\n' "$*" >&2; exit 1; }

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3.11 python3 python; do
        [ -n "$candidate" ] && command -v "$candidate" >/dev/null || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    die "Python 3.11 is needed and was not found; set PYTHON=/path/to/python3.11"
}

install() {
    local python
    if [ -x "$PY" ] && [ -f "$STAMP" ] && cmp -s requirements.txt "$STAMP"; then
        return
    fi
    if ! [ -x "$PY" ] || ! "$PY" -c 'import pip' 2>/dev/null; then
        python="$(find_python)"
        say "making $VENV with $("$python" --version)"
        rm -rf "$VENV"
        "$python" -m venv "$VENV"
    fi
    say "installing the pinned requirements (a few minutes the first time)"
    rm -f "$STAMP"
    "$PY" -m pip install --disable-pip-version-check -r requirements.txt
    cp requirements.txt "$STAMP"
    say "installed"
}

check() {
    # One command a line: in an && list a failure would not end the script.
    say "ruff"
    "$VENV/bin/ruff" check .
    "$VENV/bin/ruff" format --check .
    say "mypy"
    "$VENV/bin/mypy"
    say "import-linter"
    "$VENV/bin/lint-imports"
}

fix() {
    local status=0
    "$VENV/bin/ruff" check --fix . || status=$?
    "$VENV/bin/ruff" format .
    return "$status"
}

verb="${1:-help}"
[ $# -gt 0 ] && shift
case "$verb" in
    install) install; say "ready: ./setup.sh run" ;;
    run)     install; exec "$PY" -m dispatcher "$@" ;;
    keys)    install; exec "$PY" -m dispatcher keys "$@" ;;
    test)    install; say "pytest"; exec "$PY" -m pytest "$@" ;;
    check)   install; check ;;
    fix)     install; fix ;;
    manifests) install; exec "$PY" -m tests.k8s.rendering ;;
    bench)   install; exec "$PY" -m benchmarks "$@" ;;
    lock)    install; exec "$PY" .ci/lock_images.py "$@" ;;
    help|-h|--help) usage ;;
    *)       usage >&2; die "unknown verb: $verb" ;;
esac
