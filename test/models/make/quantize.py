"""The four int8 releases of one float network: each is a way in which people really quantize."""
import pathlib

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

import collect
import network


class Reader(CalibrationDataReader):
    def __init__(self, tensors):
        self.tensors = iter(tensors)

    def get_next(self):
        tensor = next(self.tensors, None)
        return None if tensor is None else {'images': tensor}


def prepare(folder: pathlib.Path) -> pathlib.Path:
    """The float network, and the same with shapes inferred, which the quantizers want."""
    onnx.save(network.build(), folder / 'float.onnx')
    quant_pre_process(folder / 'float.onnx', folder / 'prepared.onnx', skip_symbolic_shape=True)
    return folder / 'prepared.onnx'


def static(prepared, target, tensors, activations, method=CalibrationMethod.MinMax, **options):
    """QDQ with 7-bit weights per channel: u8 x s8 products of 8-bit weights saturate on x86 without VNNI."""
    quantize_static(
        prepared, target, Reader(tensors), quant_format=QuantFormat.QDQ, per_channel=True, reduce_range=True,
        activation_type=activations, weight_type=QuantType.QInt8, calibrate_method=method, extra_options=options)


def depthwise(model: onnx.ModelProto) -> list[str]:
    return [node.input[1] for node in model.graph.node if node.op_type == 'Conv' and any(a.name == 'group' and a.i > 1 for a in node.attribute)]


def first(prepared, target):
    """1.0.0: signed activations, which quantize_static takes if not told otherwise, and 16 pictures. s8 x s8 is slow on x86."""
    tensors = [collect.crops(name, 1)[0] for name in collect.split()['calibration'][:16]]
    static(prepared, target, tensors, QuantType.QInt8)


def dynamic(prepared, target):
    """1.1.0: no calibration, ranges measured while running (ConvInteger, MatMulInteger). As accurate, but far slower.

    8-bit weights are safe here: the u8 x u8 kernels widen before they multiply.
    """
    apart = target.with_suffix('.apart.onnx')
    onnx.save(scales_apart(onnx.load(prepared)), apart)
    quantize_dynamic(apart, target, op_types_to_quantize=['Conv', 'Gemm', 'MatMul'], weight_type=QuantType.QUInt8, reduce_range=False)
    apart.unlink()


def scales_apart(model: onnx.ModelProto) -> onnx.ModelProto:
    """ConvInteger knows one scale per tensor, which ruins depthwise kernels: scale each channel after the convolution instead."""
    constants = {constant.name: constant for constant in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        nodes.append(node)
        if node.op_type != 'Conv':
            continue
        kernels, bias, output = node.input[1], node.input[2], node.output[0]
        weights = numpy_helper.to_array(constants[kernels])
        scale = np.abs(weights).reshape(len(weights), -1).max(axis=1)
        scale = np.maximum(scale / scale.max(), 1e-6).astype(np.float32)[:, None, None, None]
        constants[kernels].CopyFrom(numpy_helper.from_array((weights / scale).astype(np.float32), kernels))
        model.graph.initializer.append(numpy_helper.from_array(scale.reshape(1, -1, 1, 1), f'{output}.scale'))
        constants[bias].CopyFrom(numpy_helper.from_array(numpy_helper.to_array(constants[bias]).reshape(1, -1, 1, 1), bias))
        del node.input[2]
        node.output[0] = f'{output}.unscaled'
        nodes.append(helper.make_node('Mul', [f'{output}.unscaled', f'{output}.scale'], [f'{output}.scaled'], name=f'{output}.rescale'))
        nodes.append(helper.make_node('Add', [f'{output}.scaled', bias], [output], name=f'{output}.shift'))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def wide_depthwise(prepared) -> dict:
    """Depthwise kernels keep 8 bits: ORT multiplies them in 16 bits on x86, so they cannot saturate, and they lose most by 7."""
    return {name: [{'quant_type': QuantType.QInt8, 'axis': 0, 'reduce_range': False}] for name in depthwise(onnx.load(prepared))}


def better(prepared, target):
    """1.2.0: unsigned activations swallow ReLU6; twice as many crops of all calibration pictures; float scores."""
    tensors = [tensor for name in collect.split()['calibration'] for tensor in collect.crops(name, 2)]
    static(prepared, target, tensors, QuantType.QUInt8, TensorQuantOverrides=wide_depthwise(prepared), OpTypesToExcludeOutputQuantization=['Gemm'])


def broken(prepared, target):
    """1.3.0: like 1.2.0, but a percentile of 98 clips two per cent of each activation, the ones that matter."""
    tensors = [collect.crops(name, 1)[0] for name in collect.split()['calibration'][::4]]
    static(prepared, target, tensors, QuantType.QUInt8, CalibrationMethod.Percentile, CalibPercentile=98, TensorQuantOverrides=wide_depthwise(prepared))


RELEASES = {'1.0.0': first, '1.1.0': dynamic, '1.2.0': better, '1.3.0': broken}
