"""Networks of different kinds, and every datatype, through Python's onnxruntime: what the runner must answer as well.

    venv/bin/python make/networks.py            # after `npm install`: the PP-OCR networks lie in node_modules

Writes expected/networks/*.json, its pictures, and networks/datatypes.onnx. The readers are test/conformance/networks.
"""
import json
import pathlib
import struct
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto as T, helper as h, numpy_helper as nh
from PIL import Image, ImageDraw, ImageFont

import collect
import preprocess

ROOT = pathlib.Path(__file__).parent.parent
OUT = ROOT / 'expected' / 'networks'
OCR = ROOT.parent.parent / 'node_modules' / '@gutenye' / 'ocr-models' / 'assets'
KEPT, ROWS = 300, 400
TEXT = 'FLOTILLA 2026'

OIP = {'tensor(float)': 'FP32', 'tensor(double)': 'FP64', 'tensor(float16)': 'FP16', 'tensor(bool)': 'BOOL', 'tensor(string)': 'BYTES',
       **{f'tensor({sign}int{bits})': f'{sign}int{bits}'.upper() for sign in ('', 'u') for bits in (8, 16, 32, 64)}}


def picture(name: str, mean: float, std: float, layout: str) -> tuple[np.ndarray, dict]:
    """In single precision throughout: the other side rounds after each step as well."""
    pixels = np.asarray(Image.open(OUT / name).convert('RGB'), np.float32)
    values = (pixels - np.float32(mean)) / np.float32(std)
    values = values if layout == 'NHWC' else values.transpose(2, 0, 1)
    return np.ascontiguousarray(values)[None], {'picture': name, 'mean': mean, 'std': std, 'layout': layout}


def fractions(shape: list[int], seed: int) -> tuple[np.ndarray, dict]:
    """Numerical Recipes' linear congruential generator, onto [-1, 1): exact in single precision."""
    state, values = seed, np.empty(int(np.prod(shape)), np.float32)
    for i in range(values.size):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        values[i] = (state >> 8) / 2**23 - 1
    return values.reshape(shape), {'fractions': seed}


def wave(step: int, samples: int, context: int) -> tuple[np.ndarray, dict]:
    """A buzz of three saw teeth, from the step's first sample less the context on; silence before the beginning."""
    first = step * samples - context
    values = [0.0 if i < 0 else sum((i % period) / period - 0.5 for period in (134, 67, 29)) * (i % 2000) / 4000 for i in range(first, first + samples + context)]
    return np.array([values], np.float32), {'wave': step, 'samples': samples, 'context': context}


def described(name: str, value: np.ndarray) -> dict:
    """Some of the values, and figures over all of them."""
    flat = value.astype(np.float64).ravel()
    stride = max(1, -(-flat.size // KEPT))
    # A stride with no factor in common with the usual sides, so that no column is seen alone.
    stride = stride if stride == 1 else stride | 1
    rows = value.reshape(-1, value.shape[-1]) if value.ndim else value.reshape(1, 1)
    entry = {'name': name, 'type': 'FP32', 'shape': list(value.shape), 'stride': stride,
             'values': [float(np.float32(v)) for v in flat[::stride]], 'sum': float(flat.sum()), 'greatest': float(np.abs(flat).max())}
    if 1 < rows.shape[1] and rows.shape[0] <= ROWS:
        entry['argmax'] = [int(i) for i in rows.argmax(1)]
    return entry


class Network:
    def __init__(self, name: str, model: str, tolerance: float, about: str):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        base = OCR if model.startswith('ocr:') else ROOT
        self.session = onnxruntime.InferenceSession(base / model.removeprefix('ocr:'), options, providers=['CPUExecutionProvider'])
        self.outputs = [o.name for o in self.session.get_outputs()]
        self.head = {'v': 1, 'network': name, 'model': model, 'about': about, 'onnxruntime': onnxruntime.__version__, 'tolerance': tolerance,
                     'inputs': [signature(i) for i in self.session.get_inputs()], 'outputs': [signature(o) for o in self.session.get_outputs()]}
        self.cases = []

    def run(self, case: str, **feeds) -> dict[str, np.ndarray]:
        by_name = dict(zip([i['name'] for i in self.head['inputs']], feeds.values()))
        results = dict(zip(self.outputs, self.session.run(None, {name: value for name, (value, _) in by_name.items()})))
        self.cases.append({'name': case, 'inputs': [{'shape': list(value.shape), 'from': how} for value, how in by_name.values()],
                           'outputs': [described(name, value) for name, value in results.items()]})
        return results

    def write(self) -> None:
        lines = ',\n'.join(json.dumps(case, separators=(',', ':')) for case in self.cases)
        (OUT / f'{self.head["network"]}.json').write_text(f'{json.dumps(self.head)[:-1]}, "cases": [\n{lines}\n]}}\n')


def signature(value) -> dict:
    return {'name': value.name, 'type': OIP[value.type], 'shape': [d if isinstance(d, int) else -1 for d in value.shape]}


def draw(name: str, size: tuple[int, int], lines: list[tuple[int, int, int, str]], turn: bool = False) -> None:
    image = Image.new('RGB', size, (238, 236, 228))
    pen = ImageDraw.Draw(image)
    for x, y, height, text in lines:
        pen.text((x, y), text, (24, 28, 40), font=ImageFont.load_default(height))
    (image.rotate(180) if turn else image).save(OUT / name, optimize=True)


def pictures() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    preprocess.centre_crop(preprocess.decode(ROOT / 'photographs' / 'coffee.jpg')).save(OUT / 'coffee.png', optimize=True)
    face = Image.open(collect.skimage() / 'astronaut.png').convert('RGB').crop((96, 0, 352, 256))
    face.resize((128, 128), Image.Resampling.BILINEAR).save(OUT / 'face.png', optimize=True)
    draw('line.png', (320, 48), [(8, 6, 34, TEXT)])
    draw('label.png', (192, 48), [(8, 6, 34, 'LOT-42')])
    draw('label-turned.png', (192, 48), [(8, 6, 34, 'LOT-42')], turn=True)
    draw('page.png', (320, 320), [(24, 40, 34, TEXT), (40, 150, 28, 'lot 42, line 3'), (24, 250, 22, 'keep dry')])
    draw('sign.png', (416, 192), [(30, 60, 60, 'EXIT 7')])


def classifier() -> None:
    # Kernels round to integers: one level of a late layer moves a score by its scale.
    network = Network('efficientnet-lite0-int8', 'releases/1.0.0/model.int8.onnx', 1e-3, 'image classification, int8 convolutions')
    for case, value in (('coffee', picture('coffee.png', 127.0, 128.0, 'NCHW')), ('noise', fractions([1, 3, 224, 224], 7))):
        network.run(case, images=value)
    network.write()


def face() -> None:
    network = Network('blazeface', '../../agent/examples/presence-detector/blazeface-front-128.onnx', 1e-3, 'object detection, four outputs of anchors')
    found = network.run('face', input=picture('face.png', 127.5, 127.5, 'NHWC'))
    scores = np.concatenate([found['Identity:0'].ravel(), found['Identity_1:0'].ravel()])
    assert 1 / (1 + np.exp(-scores.max())) > 0.75, 'the face was not found'
    network.run('noise', input=fractions([1, 128, 128, 3], 11))
    network.write()


def voice() -> None:
    network = Network('silero-vad', '../../agent/examples/speech-activity/silero-vad-6.onnx', 1e-5, 'LSTM over audio: state handed from call to call, an int64 scalar')
    state = np.zeros((2, 1, 128), np.float32), {'values': [0], 'type': 'FP32'}
    for step in range(8):
        results = network.run(f'chunk {step}', input=wave(step, 512, 64), state=state, sr=(np.array(16000, np.int64), {'values': [16000], 'type': 'INT64'}))
        state = results['stateN'], {'previous': 'stateN'}
    network.write()


def ocr() -> None:
    direction = Network('ppocr-direction', 'ocr:ch_ppocr_mobile_v2.0_cls_infer.onnx', 1e-5, 'text direction, all four dimensions but the channels free')
    for name, turned in (('label', 0), ('label-turned', 1)):
        assert direction.run(name, x=picture(f'{name}.png', 127.5, 127.5, 'NCHW'))['softmax_0.tmp_0'].argmax() == turned, name
    direction.run('two lines of noise', x=fractions([2, 3, 48, 192], 3))
    direction.write()
    detection = Network('ppocr-detection', 'ocr:ch_PP-OCRv4_det_infer.onnx', 1e-4, 'text detection: a map as large as the picture, at two sizes')
    for name in ('page', 'sign'):
        found = detection.run(name, x=picture(f'{name}.png', 127.5, 127.5, 'NCHW'))['sigmoid_0.tmp_0']
        assert 0.01 < (found > 0.3).mean() < 0.6, f'{name}: no text was found'
    detection.write()
    recognition = Network('ppocr-recognition', 'ocr:ch_PP-OCRv4_rec_infer.onnx', 1e-4, 'text recognition: attention and CTC over 6,625 characters, two widths')
    characters = ['', *(OCR / 'ppocr_keys_v1.txt').read_text().removesuffix('\n').split('\n'), ' ']
    for name, wanted in (('line', TEXT), ('label', 'LOT-42')):
        best = recognition.run(name, x=picture(f'{name}.png', 127.5, 127.5, 'NCHW'))['softmax_11.tmp_0'][0].argmax(1)
        read = ''.join(characters[i] for n, i in enumerate(best) if i and (n == 0 or best[n - 1] != i))
        assert read == wanted, read
        recognition.cases[-1]['reads'] = read
    recognition.write()


KINDS = {'BOOL': T.BOOL, 'UINT8': T.UINT8, 'UINT16': T.UINT16, 'UINT32': T.UINT32, 'UINT64': T.UINT64, 'INT8': T.INT8, 'INT16': T.INT16, 'INT32': T.INT32,
         'INT64': T.INT64, 'FP16': T.FLOAT16, 'FP32': T.FLOAT, 'FP64': T.DOUBLE, 'BYTES': T.STRING}


def datatype_model() -> pathlib.Path:
    """Each datatype with its rows exchanged, and (but text) read as a number: the bits must mean the same, not only come back."""
    nodes, inputs, outputs = [], [], []
    for kind, code in KINDS.items():
        inputs.append(h.make_tensor_value_info(f'{kind}_in', code, ['n', 2]))
        outputs.append(h.make_tensor_value_info(f'{kind}_turned', code, ['n', 2]))
        nodes.append(h.make_node('Gather', [f'{kind}_in', 'order'], [f'{kind}_turned'], axis=0))
        if kind != 'BYTES':
            outputs.append(h.make_tensor_value_info(f'{kind}_read', T.DOUBLE, ['n', 2]))
            nodes.append(h.make_node('Cast', [f'{kind}_in'], [f'{kind}_read'], to=T.DOUBLE))
    graph = h.make_graph(nodes, 'datatypes', inputs, outputs, [nh.from_array(np.array([-1, 0], np.int64), 'order')])
    model = h.make_model(graph, opset_imports=[h.make_opsetid('', 17)], ir_version=9)
    onnx.checker.check_model(model)
    path = ROOT / 'networks' / 'datatypes.onnx'
    onnx.save(model, path)
    return path


def extremes(kind: str) -> np.ndarray:
    if kind == 'BYTES':
        return np.array([['', 'plain'], ['ä 日本', '\ufeff🚢\n']], object)
    if kind == 'BOOL':
        return np.array([[False, True], [True, False]])
    numpy = np.dtype({'FP16': 'float16', 'FP32': 'float32', 'FP64': 'float64'}.get(kind, kind.lower()))
    if numpy.kind == 'f':
        info = np.finfo(numpy)
        return np.array([[info.max, info.smallest_subnormal], [-0.0, -np.inf]], numpy)
    info = np.iinfo(numpy)
    return np.array([[info.min, info.max], [info.max // 3, 1]], numpy)


def wire(value: np.ndarray) -> str:
    """Little-endian, as the binary tensor extension sends it; text after its length."""
    if value.dtype == object:
        return b''.join(struct.pack('<I', len(t.encode())) + t.encode() for t in value.ravel()).hex()
    return value.astype(value.dtype.newbyteorder('<')).tobytes().hex()


def datatypes() -> None:
    session = onnxruntime.InferenceSession(datatype_model(), providers=['CPUExecutionProvider'])
    feeds = {f'{kind}_in': extremes(kind) for kind in KINDS}
    results = session.run(None, feeds)
    cases = {'inputs': [{**signature(i), 'hex': wire(feeds[i.name])} for i in session.get_inputs()],
             'outputs': [{**signature(o), 'hex': wire(value)} for o, value in zip(session.get_outputs(), results)]}
    (OUT / 'datatypes.json').write_text(json.dumps({'v': 1, 'onnxruntime': onnxruntime.__version__, **cases}, indent=1) + '\n')


if __name__ == '__main__':
    for step in (pictures, classifier, face, voice, ocr, datatypes):
        step()
        print(step.__name__, 'written', file=sys.stderr)
