#!/usr/bin/env bash
# Show roles, models and addresses. Ends with 0 only if every role runs.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

main() {
  local result=0 states prefix
  require_deployed
  say "Roles"
  if supervisord_pid >/dev/null; then
    states=$(supervisorctl status) || result=1
    say "$states" |
      awk '{ sub(/^roles:/, ""); $1 = sprintf("  %-9s", $1); print }'
  else
    say "  stopped; to start them: $(again ./scripts/deploy-source.sh production)"
    result=1
  fi
  say "Models"
  manage list_models | sed 's/^/  /' || result=1
  say "Addresses"
  prefix=$(setting URL_PREFIX '')
  say "  web  http://localhost:$(setting WEB_PORT 3000)${prefix%/}/admin/"
  say "  api  http://localhost:$(setting API_PORT 8000)${prefix%/}/docs"
  return "$result"
}

main
