#!/usr/bin/env bash
# Every check and test, with real engines, on all cores. Touches no installation: data
# lie in a directory of their own. Arguments go to pytest; with --quick first, only
# tests run that need no other process: no engine, browser, Docker or server.
set -euo pipefail
# Modules are compiled once, not in each of the many processes.
unset DATA_DIR PYTHONDONTWRITEBYTECODE
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# Settings of an installation must not reach the tests, except where engines are.
for name in "${SETTINGS[@]}" DEBUG; do
  [[ $name =~ ^(ENGINES_DIR|DOCKER_HOST)$ ]] || unset "$name" "${name}_FILE"
done

step() {
  local name=$1 began=$SECONDS output
  shift
  if ! output=$("$@" 2>&1); then
    printf 'FAILED %s\n%s\n' "$name" "$output"
    exit 1
  fi
  say "ok $name ($((SECONDS - began)) s)"
}

# Pages are tested in the system's own browser.
install_chromium() {
  command -v chromium >/dev/null && return
  [[ $EUID == 0 ]] && command -v apt-get >/dev/null ||
    die "the tests need Chromium; on Debian: apt-get install chromium"
  say "installing chromium (a minute, once)"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update && apt-get install --yes --no-install-recommends chromium; } \
    >/dev/null 2>&1 || die "apt-get could not install chromium; is a mirror reachable?"
}

QUICK="not browser and not conformance and not deployment and not docker"
QUICK+=" and not engine and not fault and not process"

main() {
  local python=$VENV/bin/python types
  # One more than cores: tests wait for processes much of the time.
  local workers=$(($(nproc) + 1))
  if [[ ${1:-} == --quick ]]; then
    shift
    workers=$(nproc)
    set -- -m "$QUICK" --hypothesis-profile quick "$@"
  else
    install_chromium
    command -v npm >/dev/null ||
      die "the tests need Node.js with npm; on Debian: apt-get install nodejs npm"
  fi
  make_venv "$(find_python)"
  install_platform
  install_once test-tools -r requirements-dev.txt
  DATA_DIR=$(mktemp -d "${TMPDIR:-/tmp}/llmplatform-check.XXXXXX")
  trap 'kill %1 2>/dev/null || true; rm -rf "$DATA_DIR"' EXIT
  compile_translations

  step "scripts" bash -n scripts/*.sh .ci/run
  step "lint" "$python" -m ruff check .
  step "format" "$python" -m ruff format --check .
  # The longest check by far uses one core only, and so do those meanwhile.
  step "types" "$python" -m mypy &
  types=$!
  step "imports" "$python" -c \
    'from importlinter.cli import lint_imports_command as lint; lint()'
  step "migrations" manage makemigrations --check --dry-run
  step "deployment check" env HTTPS=1 "$python" manage.py check --deploy \
    --fail-level WARNING
  step "API schema (when stale: make schema)" \
    diff docs/openapi.yaml <(manage spectacular --lang en)
  wait "$types"
  "$python" -m pytest -n "$workers" "$@"
}

main "$@"
