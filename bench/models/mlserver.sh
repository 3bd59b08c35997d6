#!/usr/bin/env bash
# Installs MLServer, trains one scikit-learn and one LightGBM model, serves both
# and runs the tests of models/remote against them: the predictions are the
# libraries' own, the deadline holds while the server is stopped, and it is
# asked again when it goes on. Needs Python 3.9 to 3.12 and a package index.
#
#   bench/models/mlserver.sh [FOLDER]     FOLDER keeps the installation for the next run
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=${1:-$(mktemp -d)}
mkdir -p "$folder"
port=${PORT:-18081}
# One row has no work for several threads; they only wait for each other.
export OMP_NUM_THREADS=1

if [ ! -x "$folder/venv/bin/mlserver" ]; then
  python3 -m venv "$folder/venv"
  "$folder/venv/bin/pip" install --quiet mlserver==1.7.1 mlserver-sklearn==1.7.1 mlserver-lightgbm==1.7.1
fi
"$folder/venv/bin/python" bench/models/mlserver.py "$folder/served" "$port"

"$folder/venv/bin/mlserver" start "$folder/served" > "$folder/mlserver.log" 2>&1 &
server=$!
trap 'kill -CONT $server 2> /dev/null; kill $server 2> /dev/null; wait $server 2> /dev/null || true' EXIT

for _ in $(seq 120); do
  if curl -fs "http://127.0.0.1:$((port + 1))/v2/health/ready" > /dev/null; then break; fi
  kill -0 $server 2> /dev/null || { cat "$folder/mlserver.log"; exit 1; }
  sleep 0.5
done

REBOUND_OIP_TARGET=127.0.0.1:$port REBOUND_OIP_EXPECT=$folder/served/expect.json REBOUND_OIP_PID=$server \
  go test -tags mlserver -run '^TestRealServer' -count=1 -v ./models/remote
"$folder/venv/bin/pip" list 2> /dev/null | grep -E '^(mlserver|scikit-learn|lightgbm|grpcio|numpy) '
