"""Triton's own Python client over gRPC: raw tensors of every datatype, streams, configuration, statistics, refusals."""
import queue
import unittest

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

import servers
from servers import MODEL
from tensors import EVERYTHING, PLAIN, SCALAR, assert_same, wide


def client_of(name):
    return triton.InferenceServerClient(servers.echo()[name]["grpc"])


def inputs_of(client, values):
    inputs = []
    for described in client.get_model_metadata(MODEL).inputs:
        value = values.get(described.name.removesuffix("_in"), SCALAR)
        tensor = triton.InferInput(described.name, list(value.shape), described.datatype)
        tensor.set_data_from_numpy(value)
        inputs.append(tensor)
    return inputs


def echo(client, values, **options):
    result = client.infer(MODEL, inputs_of(client, values), request_id="seven", **options)
    assert result.get_response().id == "seven"
    for output in result.get_response().outputs:
        kind = output.name.removesuffix("_out")
        assert_same(kind, result.as_numpy(output.name), values.get(kind, SCALAR))


def picture(value=0.5, shape=(1, 3, 8, 8)):
    tensor = triton.InferInput("images", list(shape), "FP32")
    tensor.set_data_from_numpy(np.full(shape, value, np.float32))
    return [tensor]


class TritonGrpc(unittest.TestCase):
    def assert_refused(self, status, wording, call):
        with self.assertRaisesRegex(InferenceServerException, wording) as refused:
            call()
        self.assertEqual(refused.exception.status(), f"StatusCode.{status}")

    def test_health_and_metadata(self):
        client = client_of("kinds")
        self.assertTrue(client.is_server_live() and client.is_server_ready() and client.is_model_ready(MODEL))
        metadata = client.get_server_metadata()
        self.assertEqual(metadata.name, "flotilla")
        self.assertEqual(client.get_model_metadata(MODEL, "1.0.0").name, MODEL)
        self.assert_refused("NOT_FOUND", "other", lambda: client.get_model_metadata("other"))

    def test_every_datatype(self):
        for name in ("kinds", "integers"):
            for values in (PLAIN, EVERYTHING):
                with self.subTest(model=name, values="plain" if values is PLAIN else "everything"):
                    echo(client_of(name), values)

    def test_compression_and_large_messages(self):
        for algorithm in (None, "gzip", "deflate"):
            with self.subTest(algorithm=algorithm):
                echo(client_of("kinds"), wide(200_000), compression_algorithm=algorithm)

    def test_configuration_statistics_and_index(self):
        client = client_of("colour")
        config = client.get_model_config(MODEL).config
        self.assertEqual((config.name, config.max_batch_size), (MODEL, 0))
        self.assertEqual(list(config.input[0].dims), [1, 3, 8, 8])
        counts = []
        for _ in range(2):
            (statistics,) = client.get_inference_statistics(MODEL).model_stats
            counts.append((statistics.inference_count, statistics.inference_stats.success.count))
            client.infer(MODEL, picture())
        self.assertEqual([after - before for before, after in zip(*counts)], [1, 1])
        (model,) = client.get_model_repository_index().models
        self.assertEqual((model.name, model.state), (MODEL, "READY"))

    def test_shared_memory_is_not_offered(self):
        client = client_of("colour")
        self.assertEqual(len(client.get_system_shared_memory_status().regions), 0)
        self.assert_refused("UNIMPLEMENTED", "shared memory", lambda: client.register_system_shared_memory("a", "/a", 16))

    def test_loading_is_the_fleets_business(self):
        self.assert_refused("UNIMPLEMENTED", "assign", lambda: client_of("colour").load_model(MODEL))

    def test_stream(self):
        client, answers = client_of("colour"), queue.Queue()
        client.start_stream(callback=lambda result, error: answers.put((result, error)))
        for i in range(8):
            client.async_stream_infer(MODEL, picture(i / 64), request_id=str(i))
        client.async_stream_infer(MODEL, picture(0, (1, 3, 4, 4)), request_id="wrong")
        came, refused = {}, []
        for _ in range(9):
            result, error = answers.get(timeout=30)
            if error is None:
                came[result.get_response().id] = result.as_numpy("scores")
            else:
                refused.append(error)
        client.stop_stream()
        self.assertEqual(sorted(came), [str(i) for i in range(8)])
        for i in range(8):
            np.testing.assert_allclose(came[str(i)], [[i / 8] * 3], rtol=1e-6)
        self.assertEqual(len(refused), 1)
        self.assertRegex(refused[0].message(), "images")

    def test_refusals(self):
        client = client_of("colour")
        self.assert_refused("INVALID_ARGUMENT", "no-such", lambda: client.infer(MODEL, picture(), outputs=[triton.InferRequestedOutput("no-such")]))
        self.assert_refused("INVALID_ARGUMENT", "shape", lambda: client.infer(MODEL, picture(0, (1, 3, 4, 4))))
        self.assert_refused("NOT_FOUND", "other", lambda: client.infer("other", picture()))
        self.assert_refused("NOT_FOUND", "9.9.9", lambda: client.infer(MODEL, picture(), model_version="9.9.9"))
        self.assert_refused("INVALID_ARGUMENT", "classification", lambda: client.infer(MODEL, picture(), outputs=[triton.InferRequestedOutput("scores", class_count=2)]))

    def test_many_at_once(self):
        client, answers = client_of("colour"), queue.Queue()
        for i in range(32):
            client.async_infer(MODEL, picture(i / 64), request_id=str(i), callback=lambda result, error: answers.put((result, error)))
        for _ in range(32):
            result, error = answers.get(timeout=30)
            self.assertIsNone(error)
            np.testing.assert_allclose(result.as_numpy("scores"), [[int(result.get_response().id) / 8] * 3], rtol=1e-6)


if __name__ == "__main__":
    unittest.main()
