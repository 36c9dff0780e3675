"""The quick look at a level that a run takes itself."""

import numpy as np
import pytest

from idcgan.glance import glance


def test_a_glance_measures_variety_row_by_row_as_it_would_whole():
    films = np.random.default_rng(0).integers(0, 256, (6, 32, 32)).astype(np.uint8)
    seen = glance(films[:2], films[2:])
    assert seen["variety"] == pytest.approx(films[:2].std(0, ddof=1).mean() / films[2:].std(0, ddof=1).mean(), abs=1e-3)
