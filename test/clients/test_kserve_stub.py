"""A stub that grpcio-tools generates from the Open Inference Protocol's own .proto: the protocol alone, typed and raw contents."""
import importlib
import sys
import tempfile
import unittest

import grpc
import numpy as np
from grpc_tools import protoc

import servers
from expected import assert_scores, noise
from servers import MODEL, ROOT

SPECIFICATION = ROOT / "test/conformance/oip/spec"


def generate():
    folder = tempfile.mkdtemp(prefix="flotilla-stub-")
    status = protoc.main(["protoc", f"-I{SPECIFICATION}", f"--python_out={folder}", f"--grpc_python_out={folder}", "open_inference_grpc.proto"])
    assert status == 0, f"protoc ended with {status}"
    sys.path.insert(0, folder)
    return [importlib.import_module(name) for name in ("open_inference_grpc_pb2", "open_inference_grpc_pb2_grpc")]


class KServeStub(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Not beside Triton's client in one process: its messages are of the same package, and the names would clash.
        cls.messages, cls.services = generate()

    def stub(self, address):
        return self.services.GRPCInferenceServiceStub(grpc.insecure_channel(address))

    def request(self, name, value, field=None):
        tensor = self.messages.ModelInferRequest.InferInputTensor(name=name, datatype="FP32", shape=value.shape)
        request = self.messages.ModelInferRequest(model_name=MODEL, id="seven", inputs=[tensor])
        if field:
            getattr(request.inputs[0].contents, field).extend(value.ravel().tolist())
        else:
            request.raw_input_contents.append(value.tobytes())
        return request

    def test_health_and_metadata(self):
        stub, messages = self.stub(servers.echo()["colour"]["grpc"]), self.messages
        self.assertTrue(stub.ServerLive(messages.ServerLiveRequest()).live)
        self.assertTrue(stub.ServerReady(messages.ServerReadyRequest()).ready)
        self.assertTrue(stub.ModelReady(messages.ModelReadyRequest(name=MODEL)).ready)
        self.assertEqual(stub.ServerMetadata(messages.ServerMetadataRequest()).name, "flotilla")
        (images,) = stub.ModelMetadata(messages.ModelMetadataRequest(name=MODEL)).inputs
        self.assertEqual((images.name, images.datatype, list(images.shape)), ("images", "FP32", [1, 3, 8, 8]))

    def test_typed_and_raw_contents(self):
        stub, value = self.stub(servers.echo()["colour"]["grpc"]), np.full((1, 3, 8, 8), 0.5, np.float32)
        for field in ("fp32_contents", None):
            with self.subTest(field=field):
                answer = stub.ModelInfer(self.request("images", value, field))
                self.assertEqual((answer.id, answer.model_name, answer.outputs[0].name), ("seven", MODEL, "scores"))
                self.assertEqual(np.frombuffer(answer.raw_output_contents[0], np.float32).tolist(), [4, 4, 4])

    def test_refusal(self):
        stub = self.stub(servers.echo()["colour"]["grpc"])
        with self.assertRaises(grpc.RpcError) as refused:
            stub.ModelInfer(self.request("no-such", np.zeros((1, 3, 8, 8), np.float32)))
        self.assertEqual(refused.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertIn("no-such", refused.exception.details())

    def test_agent(self):
        """An enrolled device answers as Python's onnxruntime did."""
        answer = self.stub(servers.agent()["grpc"]).ModelInfer(self.request("images", noise()))
        assert_scores(np.frombuffer(answer.raw_output_contents[0], np.float32).reshape([int(d) for d in answer.outputs[0].shape]))


if __name__ == "__main__":
    unittest.main()
