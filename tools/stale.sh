#!/usr/bin/env bash
# Fails if generated files are not what `make generate` makes of the sources.
set -euo pipefail
cd "$(dirname "$0")/.."

digest() { find proto docs/reference -type f -print0 | sort -z | xargs -0 sha256sum; }

before=$(digest)
make --no-print-directory generate > /dev/null
after=$(digest)
if [ "$before" != "$after" ]; then
  diff <(echo "$before") <(echo "$after") | awk '/^[<>]/ {print $3}' | sort -u
  echo "these generated files were stale; they are up to date now: commit them"
  exit 1
fi
