"""Trains the models that mlserver.sh serves and writes what they predict."""

import json
import pathlib
import sys

import joblib
import lightgbm
import numpy
from sklearn.ensemble import HistGradientBoostingClassifier

OFFERS = {"none": 0.0, "ten": 10.0, "twenty": 20.0}


def train_data(rng, n):
    """Recency in days, refund, percent off -> bought again."""
    x = numpy.column_stack([rng.exponential(60, n), rng.gamma(2, 40, n), rng.choice([0.0, 10.0, 20.0], n)])
    chance = 1 / (1 + numpy.exp(0.5 + x[:, 0] / 80 - x[:, 1] / 300 - x[:, 2] * (x[:, 0] > 30) / 25))
    y = rng.random(n) < chance
    x[rng.random(n) < 0.1, 0] = numpy.nan
    return x, y


def main(folder, port):
    rng = numpy.random.default_rng(1)
    x, y = train_data(rng, 20000)
    forest = HistGradientBoostingClassifier(max_iter=60, random_state=1).fit(x, y)
    boosted = lightgbm.train(
        {"objective": "binary", "num_leaves": 31, "verbose": -1, "seed": 1, "num_threads": 1},
        lightgbm.Dataset(x, y),
        60,
    )

    for name, kind in {"sklearn": "mlserver_sklearn.SKLearnModel", "lightgbm": "mlserver_lightgbm.LightGBMModel"}.items():
        at = folder / name
        at.mkdir(parents=True, exist_ok=True)
        uri = "model.joblib" if name == "sklearn" else "model.bst"
        settings = {"name": name, "implementation": kind, "parameters": {"uri": "./" + uri, "version": "v1"}}
        (at / "model-settings.json").write_text(json.dumps(settings))
    joblib.dump(forest, folder / "sklearn" / "model.joblib")
    boosted.save_model(folder / "lightgbm" / "model.bst")
    settings = {"host": "127.0.0.1", "grpc_port": port, "http_port": port + 1, "metrics_port": port + 2, "parallel_workers": 0}
    (folder / "settings.json").write_text(json.dumps(settings))

    rows, _ = train_data(rng, 500)
    expected = []
    for recency, refund, _ in rows:
        batch = numpy.array([[recency, refund, percent] for percent in OFFERS.values()])
        expected.append(
            {
                "x": [None if numpy.isnan(v) else v for v in (recency, refund)],
                "sklearn": forest.predict_proba(batch)[:, 1].tolist(),
                "lightgbm": boosted.predict(batch).tolist(),
            }
        )
    (folder / "expect.json").write_text(json.dumps(expected))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), int(sys.argv[2]))
