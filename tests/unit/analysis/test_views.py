"""Test-time views that the caller asks for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from macule_testing import content, draw, encode, write_bundle

import macule
from macule.analysis.bundle import Bundle, load
from macule.analysis.pipeline import Analyzer
from macule.errors import UsageError

# The eighth that is dark lies in a corner, so that turning changes what the pooling sees at the edges.
PICTURE = encode(draw(width=301, height=263))


@pytest.mark.parametrize("views", [1, 2, 4, 8])
def test_asked_for_views_answer_as_a_bundle_that_has_them(tmp_path: Path, tiny_bundle: Bundle, views: int) -> None:
    own = load(write_bundle(tmp_path / "own", preprocessing=content("")["preprocessing"] | {"views": views}))
    asked, had = (analyzer.analyze(PICTURE) for analyzer in (Analyzer(tiny_bundle, views=views), Analyzer(own)))
    assert asked.assessment is not None and had.assessment is not None and asked.assessment == had.assessment
    assert np.array_equal(asked.assessment.heatmap, had.assessment.heatmap)


def test_an_answer_says_how_many_unless_they_are_the_bundles_own(tiny_bundle: Bundle) -> None:
    for asked, said in ((None, None), (1, None), (4, 4)):
        analyzer = Analyzer(tiny_bundle, views=asked)
        result = analyzer.analyze(PICTURE)
        assert (result.views, result.to_dict().get("views"), analyzer.views) == (said, said, asked or 1)


@pytest.mark.parametrize("views", [0, 3, 12, -1])
def test_other_numbers_are_refused(tiny_bundle: Bundle, views: int) -> None:
    with pytest.raises(UsageError, match=f"views is {views}; one of 1, 2, 4, 8"):
        Analyzer(tiny_bundle, views=views)


def test_the_python_face_keeps_analyzers_of_different_views_apart(tiny_bundle: Bundle) -> None:
    four, own = (macule.analyze(PICTURE, bundle=tiny_bundle, views=views) for views in (4, None))
    assert (four.views, own.views) == (4, None)
