#!/usr/bin/env bash
# Installs what examples/model-plugin/python needs and runs the test of models/process with it.
#
#   bench/models/python-plugin.sh [FOLDER]     FOLDER keeps the installation for the next run
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=${1:-$(mktemp -d)}
if [ ! -x "$folder/venv/bin/python3" ]; then
  python3 -m venv "$folder/venv"
fi
"$folder/venv/bin/python3" -c 'import grpc_tools' 2> /dev/null || "$folder/venv/bin/pip" install --quiet grpcio grpcio-tools
PATH=$folder/venv/bin:$PATH go test -tags python -run '^TestPythonExample$' -count=1 -v ./models/process
