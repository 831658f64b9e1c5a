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
  queue     look at the queue, empty it, repeat what has failed; ./setup.sh queue --help
  cluster   try several dispatchers over RabbitMQ and Redis, all on this machine, until Ctrl-C
  reset     check what runs, purge its queue, restart it in order; a menu without arguments
  test      run the tests, small ones side by side; arguments go to pytest, which then runs one
            after the other. --long runs the long forms of the proofs (an hour), --seed N
            repeats what failed; -s shows what was measured
  servers   install what tests start: RabbitMQ, Redis, nginx, Prometheus, Chromium (Debian's
            packages; they do not run by themselves) and an S3 server in .venv-s3
  page      build dispatcher/web/built, the page, of its sources; needs Node 20.19 or newer
  check     ruff, mypy (strict) and import-linter
  fix       let ruff format the code and repair what it can
  secrets   write random passwords of RabbitMQ, Redis and MinIO into .env, for docker compose and k8s
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

run_tests() {
    # Which of them run side by side: tests/scheduling.py.
    [ $# -gt 0 ] || set -- -n auto --maxprocesses 4
    # The tests start hundreds of processes: each would compile all its modules again.
    unset PYTHONDONTWRITEBYTECODE
    say "pytest"
    exec "$PY" -m pytest "$@"
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

hex() { od -An -v -tx1 -N"$1" /dev/urandom | tr -d ' \n'; }

write_secrets() {
    [ ! -e .env ] || die ".env is there: servers that were started with it know no other passwords"
    (
        umask 077
        set -o noclobber
        cat > .env <<ENV
# Made by ./setup.sh secrets. Whoever has this file has everything that Conveyor keeps.
RABBITMQ_PASSWORD=$(hex 24)
RABBITMQ_ERLANG_COOKIE=$(hex 24)
REDIS_PASSWORD=$(hex 24)
MINIO_ROOT_PASSWORD=$(hex 24)
S3_SECRET_KEY=$(hex 24)
WEBHOOK_SECRET=whsec_$(head -c 32 /dev/urandom | base64 | tr -d '\n')
ENV
    )
    say "wrote .env, for docker compose; in a cluster:"
    say "kubectl -n conveyor create secret generic conveyor-servers --from-env-file=.env"
}

verb="${1:-help}"
[ $# -gt 0 ] && shift
case "$verb" in
    install) install; say "ready: ./setup.sh run" ;;
    run)     install; exec "$PY" -m dispatcher "$@" ;;
    keys|queue|cluster|reset) install; exec "$PY" -m dispatcher "$verb" "$@" ;;
    test)    install; run_tests "$@" ;;
    servers) install; exec .ci/servers "$PY" ;;
    page)    exec .ci/page ;;
    check)   install; check ;;
    fix)     install; fix ;;
    secrets) write_secrets ;;
    manifests) install; exec "$PY" -m tests.k8s.rendering ;;
    bench)   install; exec "$PY" -m benchmarks "$@" ;;
    lock)    install; exec "$PY" .ci/lock_images.py "$@" ;;
    help|-h|--help) usage ;;
    *)       usage >&2; die "unknown verb: $verb" ;;
esac
