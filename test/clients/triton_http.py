"""Asks a slot with Triton's own Python client: binary and JSON tensors of every datatype, compression, metadata, refusals.

    python3 -m venv .venv && .venv/bin/pip install 'tritonclient[http]' numpy
    .venv/bin/python test/clients/triton_http.py

Run from the repository's root after `npm install`; it starts and ends the servers itself. Exits 0 when all is well.
"""
import json
import subprocess

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

SERVER = [
    "node_modules/.bin/node", "--experimental-transform-types", "--conditions=flotilla-source",
    "--import", "./test/support/run-source.mjs", "agent/src/runner/fixtures/serve-echo.ts",
]
MODEL = "inspection"

# Two rows of two: what JSON can carry, and below what only bytes can.
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


def infer(client, values, binary_in, binary_out, **options):
    inputs = []
    for described in client.get_model_metadata(MODEL)["inputs"]:
        name, datatype = described["name"], described["datatype"]
        value = values.get(name.removesuffix("_in"), SCALAR)
        tensor = triton.InferInput(name, list(value.shape), datatype)
        # Triton's client has no JSON form of FP16.
        tensor.set_data_from_numpy(value, binary_data=binary_in or datatype == "FP16")
        inputs.append(tensor)
    outputs = [
        triton.InferRequestedOutput(o["name"], binary_data=binary_out)
        for o in client.get_model_metadata(MODEL)["outputs"]
    ]
    return client.infer(MODEL, inputs, outputs=outputs, request_id="seven", **options)


def check_echo(client, values, *how, **options):
    result = infer(client, values, *how, **options)
    assert result.get_response()["id"] == "seven"
    for output in result.get_response()["outputs"]:
        kind = output["name"].removesuffix("_out")
        sent = values.get(kind, SCALAR)
        got = result.as_numpy(output["name"])
        if kind == "text":
            got = np.array([t.decode() if isinstance(t, bytes) else t for t in got.flat], np.object_).reshape(got.shape)
            assert (got == sent).all(), (kind, got)
        else:
            assert got.dtype == sent.dtype and got.shape == sent.shape, (kind, got)
            assert got.tobytes() == sent.tobytes(), (kind, got, sent)


def check_large(client, request_coding, response_coding):
    """Enough zeros for compression to be worth it, both ways."""
    wide = {kind: np.zeros((20000, 2), value.dtype) for kind, value in PLAIN.items() if kind != "text"}
    wide["text"] = PLAIN["text"]
    check_echo(client, wide, True, True,
               request_compression_algorithm=request_coding, response_compression_algorithm=response_coding)


def check_server(client):
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(MODEL)
    assert not client.is_model_ready("other")
    metadata = client.get_server_metadata()
    assert metadata["name"] == "flotilla" and "binary_tensor_data" in metadata["extensions"], metadata
    assert client.get_model_metadata(MODEL, "1.0.0")["name"] == MODEL


def check_picture(client):
    """No output named: the client then asks for all of them as binary."""
    tensor = triton.InferInput("images", [1, 3, 8, 8], "FP32")
    tensor.set_data_from_numpy(np.full((1, 3, 8, 8), 0.5, np.float32))
    for _ in range(50):
        scores = client.infer(MODEL, [tensor]).as_numpy("scores")
        assert scores.tolist() == [[4, 4, 4]], scores


def check_refused(client, wording, **requested):
    tensor = triton.InferInput("images", [1, 3, 8, 8], "FP32")
    tensor.set_data_from_numpy(np.zeros((1, 3, 8, 8), np.float32))
    try:
        client.infer(MODEL, [tensor], outputs=[triton.InferRequestedOutput("scores", **requested)])
    except InferenceServerException as refusal:
        assert refusal.status() == "400" and wording in refusal.message(), refusal
        return
    raise AssertionError(f"{requested} was taken")


def main(servers):
    kinds, integers, colour = (triton.InferenceServerClient(servers[n][len("http://"):]) for n in ("kinds", "integers", "colour"))
    for client in (kinds, integers):
        check_server(client)
        for how in ((True, True), (True, False), (False, True), (False, False)):
            check_echo(client, PLAIN, *how)
            print("echoed", "binary" if how[0] else "JSON", "->", "binary" if how[1] else "JSON")
        check_echo(client, {**PLAIN, **ONLY_BYTES}, True, True)
        print("echoed what only bytes can carry")
        for codings in (("gzip", None), ("deflate", None), (None, "gzip"), (None, "deflate"), ("gzip", "deflate")):
            check_large(client, *codings)
            print("echoed compressed", codings)
    check_picture(colour)
    check_refused(colour, "classification is not offered", class_count=2)
    print("all is well")


if __name__ == "__main__":
    server = subprocess.Popen(SERVER, stdout=subprocess.PIPE, text=True)
    try:
        main(json.loads(server.stdout.readline()))
    finally:
        server.terminate()
