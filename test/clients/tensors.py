"""Two rows of two of every datatype, under the names that the echo models' inputs begin with."""
import numpy as np

# What JSON can carry, and below what only bytes can.
PLAIN = {
    "bool": np.array([[True, False], [False, True]]),
    "uint8": np.array([[0, 1], [127, 255]], np.uint8),
    "uint16": np.array([[0, 1], [2, 65535]], np.uint16),
    "uint32": np.array([[0, 1], [2, 2**32 - 1]], np.uint32),
    "uint64": np.array([[0, 1], [2, 2**53 - 1]], np.uint64),
    "int8": np.array([[0, 1], [127, -128]], np.int8),
    "int16": np.array([[0, 1], [2, -32768]], np.int16),
    "int32": np.array([[0, 1], [2, -(2**31)]], np.int32),
    "int64": np.array([[0, 1], [2, 1 - 2**53]], np.int64),
    "fp16": np.array([[0, 0.5], [-0.25, 65504]], np.float16),
    "fp32": np.array([[0, 0.5], [-0.25, 3e38]], np.float32),
    "fp64": np.array([[0, 0.1], [-0.25, 1e300]], np.float64),
    "text": np.array([["", "plain"], ["ä 日本", "🚢"]], np.object_),
}
SCALAR = np.array(2.5, np.float32)
ONLY_BYTES = {
    "uint64": np.array([[0, 1], [2**53 + 1, 2**64 - 1]], np.uint64),
    "int64": np.array([[0, 1], [2**53 + 1, -(2**63)]], np.int64),
    "fp16": np.array([[np.nan, -0.0], [np.inf, 6e-8]], np.float16),
    "fp32": np.array([[np.nan, -0.0], [np.inf, 1e-45]], np.float32),
    "fp64": np.array([[np.nan, -0.0], [-np.inf, 5e-324]], np.float64),
}
EVERYTHING = {**PLAIN, **ONLY_BYTES}


def wide(rows=20000):
    """Zeros, enough for compression to be worth it."""
    return {kind: np.zeros((rows, 2), value.dtype) for kind, value in PLAIN.items() if kind != "text"} | {"text": PLAIN["text"]}


def assert_same(name, got, sent):
    if sent.dtype == np.object_:
        got = np.array([t.decode() if isinstance(t, bytes) else t for t in got.flat], np.object_).reshape(got.shape)
        assert (got == sent).all(), (name, got)
        return
    assert got.dtype == sent.dtype and got.shape == sent.shape, (name, got.dtype, got.shape)
    assert got.tobytes() == sent.tobytes(), (name, got, sent)
