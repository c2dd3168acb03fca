"""Makes the models beside this file: `pip install onnx numpy && python make.py`. Their weights are computed when they load, so the files stay small."""
import numpy as np
import onnx
from onnx import TensorProto as T, helper as h, numpy_helper as nh


def mlp(name, widths, repeated=0):
    nodes, constants, last = [], [nh.from_array(np.array(v, np.int64), n) for n, v in [('zero', 0), ('one', 1)]], 'x'
    for i, (rows, columns) in enumerate(zip(widths, widths[1:])):
        constants += [nh.from_array(np.array(rows * columns, np.int64), f'count{i}'), nh.from_array(np.array([rows, columns], np.int64), f'shape{i}'),
                      nh.from_array(np.array(1 / np.sqrt(rows), np.float32), f'scale{i}')]
        nodes += [h.make_node('Range', ['zero', f'count{i}', 'one'], [f'index{i}']), h.make_node('Cast', [f'index{i}'], [f'float{i}'], to=T.FLOAT),
                  h.make_node('Sin', [f'float{i}'], [f'wave{i}']), h.make_node('Mul', [f'wave{i}', f'scale{i}'], [f'flat{i}']),
                  h.make_node('Reshape', [f'flat{i}', f'shape{i}'], [f'weights{i}']), h.make_node('MatMul', [last, f'weights{i}'], [f'sum{i}']),
                  h.make_node('Tanh', [f'sum{i}'], [f'y{i}'])]
        last, weights = f'y{i}', f'weights{i}'
    # The last layer's square of weights again and again: time without memory.
    for i in range(repeated):
        nodes += [h.make_node('MatMul', [last, weights], [f'again{i}']), h.make_node('Tanh', [f'again{i}'], [f'z{i}'])]
        last = f'z{i}'
    nodes[-1].output[0] = 'y'
    graph = h.make_graph(nodes, name, [h.make_tensor_value_info('x', T.FLOAT, ['n', widths[0]])],
                         [h.make_tensor_value_info('y', T.FLOAT, ['n', widths[-1]])], constants)
    model = h.make_model(graph, opset_imports=[h.make_opsetid('', 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, f'{name}.onnx')


# About 0.1 ms on one core, 4 KB in and 1 KB out.
mlp('small-mlp', [1024, 1024, 256])
# About 0.5 ms alone, most of it reading weights: a batch reads them once for all.
mlp('wide-mlp', [1024, 1536, 1536, 1536, 16])
# About 8 ms, 4 KB in and out.
mlp('deep-mlp', [1024, 1024], repeated=128)
