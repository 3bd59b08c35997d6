"""Training and scoring beside LightGBM, XGBoost, causalml and econml: the same
rows, threads and trees, taken in turns in one run. train.sh installs them.

Rows are the e-mail test of Hillstrom (64,000 customers, 12 inputs, two e-mails
and none, outcome: visit) and, for one model of many inputs, the insurance
mailing (10,000 customers, 67 inputs, outcome: purchase). Seconds are medians with their range, by the clock and of
processor time; losses are of customers not trained on.
"""
import argparse
import importlib.metadata
import json
import os
import platform
import resource
import statistics
import subprocess
import tempfile
import time
import warnings

import numpy as np
import pandas as pd

import peers

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
PEERS = ("lightgbm", "xgboost", "causalml", "econml")


def boost(trees, leaves, min_rows, rate=0.05, ridge=1.0):
    return dict(Trees=trees, Leaves=leaves, MinRows=min_rows, LearningRate=rate, Lambda=ridge, MinHessian=1e-3)


def fit(method, settings, levels=None, folds=5):
    f = dict(Candidate=dict(Name=method, Method=method, Base="boost", Boost=settings), Folds=folds, Seed=1)
    if levels:
        f["Levels"] = dict(Name="levels", Method=levels[0], Base="boost", Boost=levels[1])
    return dict(Fit=f)


def jobs():
    """name: data, rows of it to train on, what to fit, and who else can."""
    outcome = boost(100, 4, 200)
    forest = fit("forest", None, ("s", outcome), folds=3)
    forest["Fit"]["Candidate"] = dict(Name="forest", Method="forest", Forest=dict(Trees=500, MinLeaf=400, Sample=0.45))
    one = dict(Boost=dict(boost(100, 31, 20, 0.1, 0.0), Loss="logistic"))
    chance = {"lightgbm": peers.chance(peers.lgb_class), "xgboost": peers.chance(peers.xgb_class)}
    return {
        "one model, 100 x 31": ("hillstrom", "all", one, chance),
        "one model of many inputs": ("insurance", "all", one, chance),
        "T, 3 x 50 x 4": ("hillstrom", "half", fit("t", boost(50, 4, 200)),
                          {"lightgbm": peers.t_learner(peers.lgb_class), "xgboost": peers.t_learner(peers.xgb_class)}),
        "S, 200 x 4": ("hillstrom", "half", fit("s", boost(200, 4, 200)),
                       {"lightgbm": peers.s_learner(peers.lgb_class), "xgboost": peers.s_learner(peers.xgb_class)}),
        "X, 60 x 8 on 100 x 4": ("hillstrom", "half", fit("x", boost(60, 8, 400), ("t", outcome), folds=2), {"causalml": peers.causalml_x}),
        "DR, 30 x 3 on 100 x 4": ("hillstrom", "half", fit("dr", boost(30, 3, 200), ("s", outcome)), {"econml": peers.econml_dr}),
        "forest, 500 trees": ("hillstrom", "half", forest, {"econml": peers.econml_forest}),
    }


class Data:
    """Inputs, arm (0: none) and outcome of some rows, also as a file."""

    def __init__(self, x, arm, y, file):
        self.x, self.arm, self.y, self.file = x, arm, y, file
        table = pd.DataFrame(x, columns=[f"f{j}" for j in range(x.shape[1])])
        table["arm"], table["outcome"] = arm, y
        table.to_csv(file, index=False)


def hillstrom(data):
    t = pd.read_csv(os.path.join(data, "hillstrom", "hillstrom_minethatdata_2008.csv.gz"))
    x = np.c_[t.recency, t.history_segment.str[0].astype(int), t.history, t.mens, t.womens, t.newbie,
              *[t.zip_code == z for z in ("Rural", "Surburban", "Urban")],
              *[t.channel == c for c in ("Multichannel", "Phone", "Web")]].astype(float)
    return x, t.segment.map({"No E-Mail": 0, "Mens E-Mail": 1, "Womens E-Mail": 2}).to_numpy(), t.visit.to_numpy()


def insurance(data):
    t = pd.read_csv(os.path.join(data, "information_insurance_mail", "information_train.csv.gz"))
    x = t.drop(columns=["PURCHASE", "TREATMENT", "UNIQUE_ID"]).select_dtypes("number")
    return x.to_numpy(float), t.TREATMENT.to_numpy(int), t.PURCHASE.to_numpy(int)


def parts(name, columns, folder):
    """All rows, and the halves of split 0 of the published comparison."""
    x, arm, y = columns
    test = splitmix64(10 * np.arange(len(y), dtype=np.uint64)) >> np.uint64(63) == 1
    masks = {"all": np.full(len(y), True), "half": ~test, "test": test}
    return {k: Data(x[m], arm[m], y[m], os.path.join(folder, f"{name}-{k}.csv")) for k, m in masks.items()}


def splitmix64(x):
    z = x + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def log_loss(p, y):
    return -np.mean(np.where(y == 1, np.log(p), np.log1p(-p)))


def qini(score, d, arm):
    """Area between the gain per customer, best scores first, and its straight line."""
    m = (d.arm == 0) | (d.arm == arm)
    score, treated, y = score[m], d.arm[m] == arm, d.y[m]
    order = np.argsort(-score, kind="stable")
    score, treated, y = score[order], treated[order], y[order]
    gain = np.cumsum(y * treated) / treated.sum() - np.cumsum(y * ~treated) / (~treated).sum()
    ends = np.flatnonzero(np.r_[score[1:] != score[:-1], True])
    k, v = np.r_[0, (ends + 1) / len(score)], np.r_[0, gain[ends]]
    return np.trapezoid(v, k) - v[-1] / 2


def quality(predicted, d):
    """Held-out log loss of probabilities; Qini area of effects, x 1000, both e-mails."""
    if predicted.ndim == 1:
        return log_loss(predicted, d.y)
    return 1000 * sum(qini(predicted[:, a - 1], d, a) for a in peers.ARMS)


def run_peer(fit, what, train, test, threads):
    used, start = cpu(), time.perf_counter()
    predict = fit(what, train, threads)
    seconds, processor = time.perf_counter() - start, cpu() - used
    return dict(seconds=seconds, cpu=processor, one_row=time_row(predict, test), predicted=predict(test.x))


def time_row(predict, d):
    """Microseconds by the clock for one row, the least of the medians of three."""
    def call(i):
        start = time.perf_counter()
        predict(d.x[i:i + 1])
        return time.perf_counter() - start
    return 1e6 * min(statistics.median(call(i) for i in range(k, k + 5)) for k in (0, 5, 10))


def run_ours(binary, what, train, test, threads, warm):
    out = os.path.join(os.path.dirname(test.file), "predicted.csv")
    text = subprocess.run([binary, "-job", json.dumps(what), "-train", train.file, "-test", test.file, "-out", out,
                           "-threads", str(threads), f"-warm={str(warm).lower()}"], check=True, capture_output=True, text=True).stdout
    return dict(json.loads(text), predicted=np.loadtxt(out, delimiter=","))


def cpu():
    u = resource.getrusage(resource.RUSAGE_SELF)
    return u.ru_utime + u.ru_stime


def measure(a, binary, data):
    """{(job, threads): {who: [result]}}: everyone once a round, ours first."""
    seen, installed = {}, versions()
    for turn in range(a.rounds + 1):  # the first warms up
        for name, (source, rows, what, others) in jobs().items():
            slow = "forest" in name
            if a.only not in name or slow and not 0 < turn <= a.slow_rounds:
                continue
            train, test = data[source][rows], data[source]["test"]
            for threads in sorted({1, a.threads}) if rows == "all" else [a.threads]:
                results = {"rebound": run_ours(binary, what, train, test, threads, not slow)}
                for who, fit in others.items():
                    if installed[who]:
                        results[who] = run_peer(fit, what, train, test, threads)
                for who, r in results.items():
                    if turn > 0:
                        seen.setdefault((name, len(train.y), threads), {}).setdefault(who, []).append(r)
    return seen


def held_out(a, binary, data, name, results):
    """The quality of everyone trained on one half, judged on the other."""
    source, rows, what, others = jobs()[name]
    half, test = data[source]["half"], data[source]["test"]
    last = {who: rs[-1] for who, rs in results.items()}
    if rows == "all":
        last = {who: run_peer(others[who], what, half, test, 1) for who in results if who in others}
        last["rebound"] = run_ours(binary, what, half, test, 1, False)
    return {who: quality(r["predicted"], test) for who, r in last.items()}


def versions():
    found = dict.fromkeys(PEERS)
    for name in PEERS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    return found


def spread(values):
    return f"{statistics.median(values):.3f} ({min(values):.3f} - {max(values):.3f})"


def report(seen, judged):
    print("| what | rows | threads | who | seconds | processor s | ours / theirs, clock | processor | held out | one row, us |")
    print("| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for (name, rows, threads), results in seen.items():
        mid = {who: {k: statistics.median(r[k] for r in rs) for k in ("seconds", "cpu", "one_row")} for who, rs in results.items()}
        for who, rs in results.items():
            ratio = [f"{mid['rebound'][k] / mid[who][k]:.2f}" if who != "rebound" else "" for k in ("seconds", "cpu")]
            print("|", " | ".join([name, f"{rows:,}", str(threads), who, spread([r["seconds"] for r in rs]),
                                   spread([r["cpu"] for r in rs]), *ratio, f"{judged[name][who]:.4f}", f"{mid[who]['one_row']:.1f}"]), "|")


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--data", default=os.path.join(ROOT, "../shared/data"), help="folder of the public data sets")
    args.add_argument("--rounds", type=int, default=5)
    args.add_argument("--slow-rounds", type=int, default=3, help="rounds of the forest")
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--only", default="", help="jobs with this in their name")
    a = args.parse_args()
    warnings.filterwarnings("ignore")
    print(f"Python {platform.python_version()},", ", ".join(f"{k} {v or 'is not installed'}" for k, v in versions().items()),
          f"; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        binary = os.path.join(folder, "train")
        subprocess.run(["go", "build", "-o", binary, "./bench/models/train"], check=True, cwd=ROOT)
        data = {f.__name__: parts(f.__name__, f(a.data), folder) for f in (hillstrom, insurance)}
        seen = measure(a, binary, data)
        judged = {name: held_out(a, binary, data, name, results) for (name, _, _), results in seen.items()}
    report(seen, judged)
    print(f"\nHeld out: log loss of one model, Qini area x 1000 of effects (both e-mails; noise of one split about 1.8). Load at the end {os.getloadavg()[0]:.1f}.")


if __name__ == "__main__":
    main()
