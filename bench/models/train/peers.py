"""What the peers train, each with the trees of ours: fit(train, threads)
returns predict(x), a probability per row or the effect per row and offer."""
import numpy as np

ARMS = (1, 2)


def lgb_params(s, threads):
    return dict(n_estimators=s["Trees"], num_leaves=s["Leaves"], learning_rate=s["LearningRate"], min_child_samples=s["MinRows"],
                reg_lambda=s["Lambda"], n_jobs=threads, verbose=-1, random_state=1)


def lgb_class(s, threads):
    from lightgbm import LGBMClassifier
    return LGBMClassifier(**lgb_params(s, threads))


def lgb_number(s, threads):
    from lightgbm import LGBMRegressor
    return LGBMRegressor(**lgb_params(s, threads))


def xgb_class(s, threads):
    """Leaf-wise histograms; the least Hessian of a leaf is that of its least rows."""
    from xgboost import XGBClassifier
    return XGBClassifier(n_estimators=s["Trees"], max_leaves=s["Leaves"], max_depth=0, grow_policy="lossguide", tree_method="hist",
                         learning_rate=s["LearningRate"], min_child_weight=s["MinRows"] * 0.125, reg_lambda=s["Lambda"],
                         n_jobs=threads, random_state=1)


def chance(make):
    """One model of the outcome."""
    def fit(s, d, threads):
        m = make(s["Boost"], threads).fit(d.x, d.y)
        return lambda x: m.predict_proba(x)[:, 1]
    return fit


def t_learner(make):
    def fit(s, d, threads):
        boost = s["Fit"]["Candidate"]["Boost"]
        ms = [make(boost, threads).fit(d.x[d.arm == a], d.y[d.arm == a]) for a in (0, *ARMS)]

        def predict(x):
            p = [m.predict_proba(x)[:, 1] for m in ms]
            return np.c_[p[1] - p[0], p[2] - p[0]]
        return predict
    return fit


def s_learner(make):
    def fit(s, d, threads):
        m = make(s["Fit"]["Candidate"]["Boost"], threads).fit(np.c_[d.x, d.arm == 1, d.arm == 2], d.y)

        def predict(x):
            n = len(x)
            p = [m.predict_proba(np.c_[x, np.full(n, a == 1), np.full(n, a == 2)])[:, 1] for a in (0, *ARMS)]
            return np.c_[p[1] - p[0], p[2] - p[0]]
        return predict
    return fit


def causalml_x(s, d, threads):
    from causalml.inference.meta import BaseXClassifier
    fit = s["Fit"]
    m = BaseXClassifier(outcome_learner=lgb_class(fit["Levels"]["Boost"], threads),
                        effect_learner=lgb_number(fit["Candidate"]["Boost"], threads), control_name=0)
    half = {a: np.full(len(d.x), 0.5) for a in ARMS}
    m.fit(X=d.x, treatment=d.arm, y=d.y, p=half)
    return lambda x: m.predict(X=x, p={a: np.full(len(x), 0.5) for a in ARMS})


def econml_dr(s, d, threads):
    from econml.dr import DRLearner
    from sklearn.dummy import DummyClassifier
    fit = s["Fit"]
    m = DRLearner(model_propensity=DummyClassifier(), model_regression=lgb_class(fit["Levels"]["Boost"], threads), discrete_outcome=True,
                  model_final=lgb_number(fit["Candidate"]["Boost"], threads), cv=fit["Folds"], random_state=1)
    m.fit(d.y, d.arm, X=d.x)
    return lambda x: np.c_[m.effect(x, T0=0, T1=1), m.effect(x, T0=0, T1=2)]


def econml_forest(s, d, threads):
    from econml.dml import CausalForestDML
    from sklearn.dummy import DummyClassifier
    fit = s["Fit"]
    forest = fit["Candidate"]["Forest"]
    m = CausalForestDML(model_y=lgb_class(fit["Levels"]["Boost"], threads), model_t=DummyClassifier(), discrete_treatment=True,
                        discrete_outcome=True, cv=fit["Folds"], n_estimators=forest["Trees"], min_samples_leaf=forest["MinLeaf"],
                        max_samples=forest["Sample"], honest=True, n_jobs=threads, random_state=1)
    m.fit(d.y, d.arm, X=d.x)
    return lambda x: np.c_[m.effect(x, T0=0, T1=1), m.effect(x, T0=0, T1=2)]
