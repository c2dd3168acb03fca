"""An enrolled agent that got its release from the control plane, asked by clients that know nothing of it."""
import json
import unittest
import urllib.request

import numpy as np
import tritonclient.grpc
import tritonclient.http

import servers
from expected import assert_scores, noise
from servers import MODEL


class Agent(unittest.TestCase):
    def test_triton_http(self):
        client = tritonclient.http.InferenceServerClient(servers.agent()["http"])
        self.assertTrue(client.is_model_ready(MODEL))
        self.assertEqual(client.get_model_metadata(MODEL)["versions"], ["1.0.0"])
        tensor = tritonclient.http.InferInput("images", [1, 3, 224, 224], "FP32")
        tensor.set_data_from_numpy(noise())
        for _ in range(5):
            assert_scores(client.infer(MODEL, [tensor]).as_numpy("scores"))

    def test_triton_grpc(self):
        client = tritonclient.grpc.InferenceServerClient(servers.agent()["grpc"])
        self.assertTrue(client.is_model_ready(MODEL, "1.0.0"))
        tensor = tritonclient.grpc.InferInput("images", [1, 3, 224, 224], "FP32")
        tensor.set_data_from_numpy(noise())
        for _ in range(5):
            assert_scores(client.infer(MODEL, [tensor]).as_numpy("scores"))

    def test_standard_library_alone(self):
        """JSON, as a script without any client would send it."""
        value = noise()
        body = {"inputs": [{"name": "images", "shape": list(value.shape), "datatype": "FP32", "data": value.ravel().tolist()}]}
        request = urllib.request.Request(
            f"http://{servers.agent()['http']}/v2/models/{MODEL}/infer", json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            output = json.load(answer)["outputs"][0]
        assert_scores(np.array(output["data"], np.float32).reshape(output["shape"]))


if __name__ == "__main__":
    unittest.main()
