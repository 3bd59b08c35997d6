#!/usr/bin/env bash
# Installs LightGBM, XGBoost, causalml and econml, trains and scores beside them
# on the same rows, threads and trees, and prints the table of ratios. A peer
# that does not install here is left out and named. About four minutes, mostly
# the peers'; needs Go, Python 3.11 and a package index.
#
#   bench/models/train/train.sh [FOLDER [OPTIONS of train.py]]
#
# FOLDER keeps the installation for the next run.
set -euo pipefail
cd "$(dirname "$0")/../../.."

folder=${1:-$(mktemp -d)}
shift || true
mkdir -p "$folder"
python=$folder/venv/bin/python

if [ ! -x "$python" ]; then
  python3 -m venv "$folder/venv"
  "$python" -m pip install --quiet numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1
fi
for peer in lightgbm==4.7.0 xgboost==3.2.0 causalml==0.18.0 econml==0.17.0; do
  "$python" -m pip install --quiet "$peer" || echo "$peer does not install here" >&2
done

go version
lscpu 2> /dev/null | grep 'Model name' || true
exec "$python" bench/models/train/train.py "$@"
