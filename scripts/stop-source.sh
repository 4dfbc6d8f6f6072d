#!/usr/bin/env bash
# Stop the roles. Engines go on and are found again by the next deployment; with
# --engines they end too, and those that are wanted come back with it.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

main() {
  case ${1:-} in
    '' | --engines) ;;
    -h | --help) say "usage: $0 [--engines]" && exit 0 ;;
    *) say "usage: $0 [--engines]" >&2 && exit 2 ;;
  esac
  require_deployed
  stop_roles
  say "roles are stopped"
  if [[ ${1:-} == --engines ]]; then
    manage stop_engines
  fi
}

main "$@"
