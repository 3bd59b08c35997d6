#!/usr/bin/env bash
# Compares the protos with those of main; on main itself with the commit before.
set -euo pipefail
cd "$(dirname "$0")/.."

base=${BREAKING_AGAINST:-}
if [ -z "$base" ]; then
  base=$(git rev-parse -q --verify origin/main || git rev-parse -q --verify main || true)
  [ "$base" != "$(git rev-parse HEAD)" ] || base=$(git rev-parse -q --verify HEAD~1 || true)
fi
if [ -z "$base" ] || ! git cat-file -e "$base:buf.yaml" 2> /dev/null; then
  echo "buf breaking: no earlier commit with protos to compare with"
  exit 0
fi
earlier=$(mktemp -d)
trap 'rm -rf "$earlier"' EXIT
git archive "$base" buf.yaml proto third_party | tar -x -C "$earlier"
go tool -modfile=tools/go.mod buf breaking --against "$earlier"
