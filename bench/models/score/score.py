"""Scoring side by side: LightGBM's C API, ONNX Runtime and the Go evaluator.

Trains one LightGBM model (200 trees, 31 leaves, 40 inputs with missing values),
then times all of them alternately on the same rows and prints medians and
ratios of processor time (one thread each). Needs Go and, unless --no-install, pip:

    python bench/models/score/score.py --rounds 7
"""
import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

PEERS = ["numpy", "lightgbm", "onnxruntime", "onnxmltools", "skl2onnx"]
CANDIDATES, OFFER = 8, 4


def train(folder, rows, trees, leaves, columns):
    import lightgbm as lgb
    import numpy as np

    rng = np.random.default_rng(7)
    x = rng.normal(size=(rows, columns)).astype(np.float32)
    x[rng.random(x.shape) < 0.05] = np.nan
    z = np.nan_to_num(x)
    y = z[:, 0] * z[:, 1] + np.sin(2 * z[:, 2]) + z[:, 3:36].sum(1) / 6 + z[:, 36] * z[:, 4] + z[:, 39]
    y = (y + rng.normal(size=rows) > 0).astype(int)
    booster = lgb.train(
        dict(objective="binary", num_leaves=leaves, learning_rate=0.1, min_data_in_leaf=20, verbose=-1, num_threads=2, seed=1),
        lgb.Dataset(x, y), trees)
    booster.save_model(os.path.join(folder, "model.txt"))
    test = x[:1024].astype(np.float64)
    raw = booster.predict(test, raw_score=True)
    with open(os.path.join(folder, "rows.csv"), "w") as f:
        f.write(",".join([f"f{i}" for i in range(columns)] + ["raw"]) + "\n")
        for r, v in zip(test, raw):
            f.write(",".join("NaN" if a != a else repr(float(a)) for a in list(r) + [v]) + "\n")
    return booster, test


def timed(f, calls, span):
    for i in range(50):
        f(i)
    n, start = 0, time.process_time()
    while time.process_time() - start < span:
        for i in range(calls):
            f(n + i)
        n += calls
    return (time.process_time() - start) / n * 1e6


def lightgbm_figures(booster, test):
    """The C API through ctypes; the cost of an empty ctypes call is taken off."""
    import lightgbm as lgb
    import numpy as np

    lib, handle = lgb.basic._LIB, booster._handle
    columns = test.shape[1]
    fast = ctypes.c_void_p()
    code = lib.LGBM_BoosterPredictForMatSingleRowFastInit(
        handle, ctypes.c_int(1), ctypes.c_int(0), ctypes.c_int(-1), ctypes.c_int(1), ctypes.c_int32(columns),
        ctypes.c_char_p(b"num_threads=1"), ctypes.byref(fast))
    assert code == 0, lib.LGBM_GetLastError()
    out, length = np.zeros(CANDIDATES), ctypes.c_int64()
    out_p, len_p = out.ctypes.data_as(ctypes.POINTER(ctypes.c_double)), ctypes.byref(length)
    rows = [ctypes.c_void_p(test[i].ctypes.data) for i in range(len(test))]
    blocks = [np.ascontiguousarray(np.r_[[np.r_[test[i][:-OFFER], test[k][-OFFER:]] for k in range(CANDIDATES)]]) for i in range(64)]
    block_p = [ctypes.c_void_p(b.ctypes.data) for b in blocks]
    single = lib.LGBM_BoosterPredictForMatSingleRowFast
    mat, no_params = lib.LGBM_BoosterPredictForMat, ctypes.c_char_p(b"num_threads=1")
    ints = [ctypes.c_int(v) for v in (1, CANDIDATES, columns, 1, 1, 0, -1)]

    def eight(i):
        p = block_p[i % 64].value
        for k in range(CANDIDATES):
            single(fast, ctypes.c_void_p(p + 8 * columns * k), len_p, out_p)

    return {
        "ctypes call": lambda i: lib.LGBM_GetLastError(),
        "lightgbm C, 1 row fast": lambda i: single(fast, rows[i % len(rows)], len_p, out_p),
        "lightgbm C, 8 x 1 row fast": eight,
        "lightgbm C, matrix of 8": lambda i: mat(handle, block_p[i % 64], *ints, no_params, len_p, out_p),
    }


def onnx_figures(booster, test):
    import numpy as np
    import onnxruntime as ort
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    onx = convert_lightgbm(booster, initial_types=[("input", FloatTensorType([None, test.shape[1]]))], zipmap=False)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(onx.SerializeToString(), options, providers=["CPUExecutionProvider"])
    name = [session.get_outputs()[1].name]
    one = [{"input": test[i:i + 1].astype(np.float32)} for i in range(256)]
    eight = [{"input": test[i:i + CANDIDATES].astype(np.float32)} for i in range(256)]
    return {
        "onnxruntime, 1 row": lambda i: session.run(name, one[i % 256]),
        "onnxruntime, batch of 8": lambda i: session.run(name, eight[i % 256]),
    }


def go_figures(binary, folder, span):
    out = subprocess.run([binary, "-model", os.path.join(folder, "model.txt"), "-rows", os.path.join(folder, "rows.csv"),
                          "-offer", str(OFFER), "-time", f"{span}s"], check=True, capture_output=True, text=True).stdout
    answer = json.loads(out)
    assert answer["max_difference"] <= 1e-12, f"Go differs from LightGBM by {answer['max_difference']}"
    return answer["micros"]


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--rounds", type=int, default=7)
    args.add_argument("--span", type=float, default=0.2, help="seconds per figure and round")
    args.add_argument("--trees", type=int, default=200)
    args.add_argument("--leaves", type=int, default=31)
    args.add_argument("--train-rows", type=int, default=30000)
    args.add_argument("--no-install", action="store_true")
    a = args.parse_args()
    if not a.no_install:
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", *PEERS], check=True)
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    with tempfile.TemporaryDirectory() as folder:
        binary = os.path.join(folder, "score")
        subprocess.run(["go", "build", "-o", binary, "./bench/models/score"], check=True, cwd=root)
        booster, test = train(folder, a.train_rows, a.trees, a.leaves, 40)
        python = {**lightgbm_figures(booster, test), **onnx_figures(booster, test)}
        seen = {}
        for _ in range(a.rounds):
            for name, f in python.items():
                seen.setdefault(name, []).append(timed(f, 100, a.span))
            for name, micros in go_figures(binary, folder, a.span).items():
                seen.setdefault(name, []).append(micros)
    report(seen)


def report(seen):
    median = {k: statistics.median(v) for k, v in seen.items()}
    empty = median.pop("ctypes call")
    for name in median:
        if name.startswith("lightgbm"):
            median[name] -= empty * (CANDIDATES if "8 x" in name else 1)
    print(f"{'what':32} {'median us':>10} {'least':>8} {'most':>8}")
    for name, v in median.items():
        print(f"{name:32} {v:10.2f} {min(seen[name]):8.2f} {max(seen[name]):8.2f}")
    print(f"(an empty ctypes call, {empty:.2f} us, is taken off the medians of LightGBM)\n")
    for ours, theirs in [("go masks, 1 row", "lightgbm C, 1 row fast"), ("go masks, 1 row", "onnxruntime, 1 row"),
                         ("go split, 8 candidates", "lightgbm C, 8 x 1 row fast"), ("go split, 8 candidates", "lightgbm C, matrix of 8"),
                         ("go split, 8 candidates", "onnxruntime, batch of 8"), ("go model, 8 candidates", "lightgbm C, matrix of 8")]:
        print(f"{theirs} / {ours}: {median[theirs] / median[ours]:.1f}")


if __name__ == "__main__":
    main()
