"""What targets mean: the constant model, and labels of any kind."""

import numpy as np
import pytest

from sklearn_set import SETClassifier

RNG = np.random.default_rng(0)
X, WEIGHT = RNG.normal(size=(60, 4)), RNG.uniform(0.5, 2, size=60)
WORDS = np.array(["ash", "beech", "cedar"])
LABELS = {
    "two": WORDS[(RNG.uniform(size=60) < 0.3).astype(int)],
    "three": RNG.choice(WORDS, 60, p=[0.6, 0.3, 0.1]),
    "indicators": (RNG.uniform(size=(60, 3)) < [0.7, 0.2, 0.1]).astype(int),
}


@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
@pytest.mark.parametrize("kind", LABELS)
def test_outputs_that_are_shrunk_all_the_way_are_the_frequencies(kind, loss):
    y = LABELS[kind]
    model = SETClassifier((10,), loss=loss, shrinkage=1, max_iter=2, random_state=0)
    model.fit(X, y, sample_weight=WEIGHT)
    indicators = y if y.ndim == 2 else y[:, np.newaxis] == model.classes_
    shares = np.average(indicators, axis=0, weights=WEIGHT)
    np.testing.assert_allclose(model.predict_proba(X), np.tile(shares, (60, 1)))
    expected = (shares > 0.5).astype(int) if y.ndim == 2 else model.classes_[shares.argmax()]
    np.testing.assert_array_equal(model.predict(X)[0], expected)
