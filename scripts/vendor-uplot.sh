#!/usr/bin/env bash
# Fetches uPlot's files from its npm package into static/vendor/uplot. For another
# version: change both lines below, run this, and commit what it writes.
set -euo pipefail
VERSION=1.6.32
INTEGRITY=sha512-KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw==

cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=static/vendor/uplot
package=$(mktemp -d)
trap 'rm -rf "$package"' EXIT

curl --fail --silent --show-error --location --output "$package/uplot.tgz" \
  "https://registry.npmjs.org/uplot/-/uplot-$VERSION.tgz"
found=sha512-$(openssl dgst -sha512 -binary "$package/uplot.tgz" | base64 -w0)
if [[ $found != "$INTEGRITY" ]]; then
  printf 'error: uplot-%s.tgz has %s, not %s\n' "$VERSION" "$found" "$INTEGRITY" >&2
  exit 1
fi
tar -xzf "$package/uplot.tgz" -C "$package"

mkdir -p "$target"
cp "$package/package/LICENSE" "$package/package/dist/uPlot.min.css" \
  "$package/package/dist/uPlot.iife.min.js" "$target"
printf '%s\n' "$VERSION" >"$target/VERSION"
(cd "$target" && sha256sum LICENSE VERSION uPlot.iife.min.js uPlot.min.css >SHA256SUMS)
