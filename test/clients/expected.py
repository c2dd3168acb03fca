"""The inputs and answers that test/models/make/networks.py recorded for release 1.0.0."""
import json

import numpy as np

from servers import ROOT

NETWORK = json.loads((ROOT / "test/models/expected/networks/efficientnet-lite0-int8.json").read_text())


def noise():
    """The case's input: Numerical Recipes' linear congruential generator, onto [-1, 1)."""
    case = next(case for case in NETWORK["cases"] if case["name"] == "noise")
    state, values = case["inputs"][0]["from"]["fractions"], []
    for _ in range(int(np.prod(case["inputs"][0]["shape"]))):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        values.append((state >> 8) / 2**23 - 1)
    return np.array(values, np.float32).reshape(case["inputs"][0]["shape"])


def assert_scores(scores):
    expected = next(case for case in NETWORK["cases"] if case["name"] == "noise")["outputs"][0]
    assert list(scores.shape) == expected["shape"], scores.shape
    off = np.abs(scores.ravel()[:: expected["stride"]] - np.array(expected["values"], np.float32)).max()
    assert off <= NETWORK["tolerance"] * expected["greatest"], off
    assert [int(scores.argmax())] == expected["argmax"]
