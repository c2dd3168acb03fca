"""Triton's own Python client over HTTP: binary and JSON tensors of every datatype, compression, metadata, refusals."""
import unittest

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

import servers
from servers import MODEL
from tensors import EVERYTHING, PLAIN, SCALAR, assert_same, wide


def client_of(name):
    return triton.InferenceServerClient(servers.echo()[name]["http"])


def infer(client, values, binary_in=True, binary_out=True, **options):
    metadata = client.get_model_metadata(MODEL)
    inputs = []
    for described in metadata["inputs"]:
        name, datatype = described["name"], described["datatype"]
        value = values.get(name.removesuffix("_in"), SCALAR)
        tensor = triton.InferInput(name, list(value.shape), datatype)
        # Triton's client has no JSON form of FP16.
        tensor.set_data_from_numpy(value, binary_data=binary_in or datatype == "FP16")
        inputs.append(tensor)
    outputs = [triton.InferRequestedOutput(o["name"], binary_data=binary_out) for o in metadata["outputs"]]
    return client.infer(MODEL, inputs, outputs=outputs, request_id="seven", **options)


def echo(client, values, *how, **options):
    result = infer(client, values, *how, **options)
    assert result.get_response()["id"] == "seven"
    for output in result.get_response()["outputs"]:
        kind = output["name"].removesuffix("_out")
        assert_same(kind, result.as_numpy(output["name"]), values.get(kind, SCALAR))


def picture(value=0.5):
    tensor = triton.InferInput("images", [1, 3, 8, 8], "FP32")
    tensor.set_data_from_numpy(np.full((1, 3, 8, 8), value, np.float32))
    return [tensor]


class TritonHttp(unittest.TestCase):
    def test_health_and_metadata(self):
        client = client_of("kinds")
        self.assertTrue(client.is_server_live() and client.is_server_ready() and client.is_model_ready(MODEL))
        self.assertFalse(client.is_model_ready("other"))
        metadata = client.get_server_metadata()
        self.assertEqual(metadata["name"], "flotilla")
        self.assertIn("binary_tensor_data", metadata["extensions"])
        self.assertEqual(client.get_model_metadata(MODEL, "1.0.0")["name"], MODEL)

    def test_every_datatype_binary_and_json(self):
        for name in ("kinds", "integers"):
            for how in ((True, True), (True, False), (False, True), (False, False)):
                with self.subTest(model=name, binary_in=how[0], binary_out=how[1]):
                    echo(client_of(name), PLAIN, *how)

    def test_what_only_bytes_can_carry(self):
        for name in ("kinds", "integers"):
            echo(client_of(name), EVERYTHING)

    def test_compression(self):
        for request, response in (("gzip", None), ("deflate", None), (None, "gzip"), (None, "deflate"), ("gzip", "deflate")):
            with self.subTest(request=request, response=response):
                echo(client_of("kinds"), wide(), request_compression_algorithm=request, response_compression_algorithm=response)

    def test_all_outputs_without_naming_one(self):
        client = client_of("colour")
        for _ in range(50):
            self.assertEqual(client.infer(MODEL, picture()).as_numpy("scores").tolist(), [[4, 4, 4]])

    def test_many_at_once(self):
        client = triton.InferenceServerClient(servers.echo()["colour"]["http"], concurrency=8)
        pending = [client.async_infer(MODEL, picture(i / 64)) for i in range(32)]
        for i, request in enumerate(pending):
            np.testing.assert_allclose(request.get_result().as_numpy("scores"), [[i / 8] * 3], rtol=1e-6)

    def test_configuration_statistics_and_index(self):
        client = client_of("colour")
        self.assertEqual(client.get_model_config(MODEL)["input"][0]["dims"], [1, 3, 8, 8])
        counts = []
        for _ in range(2):
            counts.append(client.get_inference_statistics(MODEL)["model_stats"][0]["inference_count"])
            client.infer(MODEL, picture())
        self.assertEqual(counts[1] - counts[0], 1)
        (model,) = client.get_model_repository_index()
        self.assertEqual((model["name"], model["state"]), (MODEL, "READY"))

    def test_refusals(self):
        client = client_of("colour")
        with self.assertRaisesRegex(InferenceServerException, "classification is not offered"):
            client.infer(MODEL, picture(), outputs=[triton.InferRequestedOutput("scores", class_count=2)])
        with self.assertRaisesRegex(InferenceServerException, "no-such") as refused:
            client.infer(MODEL, picture(), outputs=[triton.InferRequestedOutput("no-such")])
        self.assertEqual(refused.exception.status(), "400")
        with self.assertRaises(InferenceServerException) as refused:
            client.infer("other", picture())
        self.assertEqual(refused.exception.status(), "404")


if __name__ == "__main__":
    unittest.main()
