import numpy as np
import pytest
from scipy.stats import binomtest

from search.outcome.statistics import wilson_interval


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 10), (7, 10), (640, 853), (853, 853)])
def test_wilson_is_scipys(k, n):
    expected = binomtest(k, n).proportion_ci(0.95, method="wilson")
    assert wilson_interval(k, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_covers():
    generator = np.random.default_rng(0)
    for share in (0.5, 0.8, 0.95):
        counts = generator.binomial(853, share, 2000)
        inside = [low <= share <= high for low, high in (wilson_interval(c, 853) for c in counts)]
        assert np.mean(inside) == pytest.approx(0.95, abs=0.02)
