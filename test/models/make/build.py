"""Rebuild everything below test/models except the prose: python make/build.py, with DALI_EXTRA set (see collect.py)."""
import ast
import hashlib
import importlib.util
import json
import os
import pathlib
import platform
import tempfile

import onnxruntime

import collect
import golden
import measure
import quantize

SUMMARIES = {
    '1.0.0': 'EfficientNet-Lite0 in int8, first quantization: signed activations, 16 calibration pictures',
    '1.1.0': 'The same network quantized dynamically: as accurate, and far slower',
    '1.2.0': 'Calibrated on more pictures with unsigned activations: faster and closer to the float network',
    '1.3.0': 'Calibrated with a percentile that clips the activations: fast and wrong',
}
DATASETS = {
    '1.0.0': ('calibration', lambda names: names[:16]),
    '1.2.0': ('calibration', lambda names: names),
    '1.3.0': ('calibration', lambda names: names[::4]),
}
MANIFEST = """\
apiVersion: flotilla/v1
kind: Release
model: product-classifier
version: {version}
summary: '{summary}'
licence: Apache-2.0
inputs:
  - {{ name: images, type: FP32, shape: [1, 3, 224, 224] }}
outputs:
  - {{ name: scores, type: FP32, shape: [1, 1000] }}
preprocess:
  - decode: {{ colour: rgb, exif: apply, icc: ignore }}
  - resize: {{ width: 224, height: 224, fit: centre-crop, cropFraction: 0.875, reference: pillow-bilinear }}
  - normalise: {{ mean: [127, 127, 127], std: [128, 128, 128], layout: NCHW }}
postprocess:
  - softmax: {{}}
  - top-k: {{ k: 5, labels: labels.txt }}
variants:
  - {{ file: model.int8.onnx, precision: int8, providers: [cpu] }}
requires: {{ agent: '>=0.1.0', memoryMb: 120 }}
golden: {{ folder: golden, tolerance: {{ top1: 1.0, cosine: 0.95 }} }}
targets: {{ p95LatencyMs: 100, errorRate: 0.001 }}
lineage:
{dataset}  code: {{ repository: flotilla, revision: 'test/models/make sha256:{revision}' }}
  metrics: {{ meanComputeMs: {meanComputeMs}, agreementWithFloat: {agreementWithFloat}, crops: {crops} }}
"""


def write_labels() -> None:
    package = pathlib.Path(importlib.util.find_spec('torchvision').origin).parent
    tree = ast.parse((package / 'models' / '_meta.py').read_text())
    names = next(ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == '_IMAGENET_CATEGORIES')
    (collect.ROOT / 'labels.txt').write_text('\n'.join(names) + '\n')


def write_split() -> None:
    listed = {part: [{'source': name, 'sha256': collect.sha256(collect.source(name))} for name in names] for part, names in collect.split().items()}
    text = json.dumps({'v': 1, 'daliExtra': collect.DALI_COMMIT, **listed}, indent=1)
    (collect.HERE / 'split.json').write_text(text + '\n')


def dataset(version: str) -> str:
    if version not in DATASETS:
        return ''
    part, choose = DATASETS[version]
    names = choose(collect.split()[part])
    digest = hashlib.sha256(''.join(f'{collect.sha256(collect.source(name))}  {name}\n' for name in names).encode()).hexdigest()
    return f"  dataset: {{ name: 'DALI_extra db/coco, {len(names)} photographs', version: '{collect.DALI_COMMIT}', sha256: '{digest}' }}\n"


def revision() -> str:
    """What decides the model bytes, not the scripts that only measure."""
    parts = [collect.HERE / name for name in ('requirements.txt', 'sources.json', 'preprocess.py', 'collect.py', 'network.py', 'quantize.py')]
    return hashlib.sha256(b''.join(part.read_bytes() for part in parts)).hexdigest()[:16]


def write_release(version: str, figures: dict) -> None:
    folder = collect.ROOT / 'releases' / version
    text = MANIFEST.format(version=version, summary=SUMMARIES[version], dataset=dataset(version), revision=revision(), **figures)
    (folder / 'release.yaml').write_text(text)
    for name in ('golden', 'labels.txt'):
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(os.path.join('..', '..', name))


def main() -> None:
    write_labels()
    collect.photographs()
    write_split()
    with tempfile.TemporaryDirectory() as scratch:
        prepared = quantize.prepare(pathlib.Path(scratch))
        sessions = {'float': measure.session(prepared.with_name('float.onnx'))}
        for version, make in quantize.RELEASES.items():
            target = collect.ROOT / 'releases' / version / 'model.int8.onnx'
            target.parent.mkdir(parents=True, exist_ok=True)
            make(prepared, target)
            sessions[version] = measure.session(target)
        golden.cases(sessions['float'])
        for name in ('float', '1.0.0', '1.2.0'):
            golden.expected(name, sessions[name])
        figures = measure.figures(sessions)
    for version in quantize.RELEASES:
        write_release(version, figures[version])
    results = {'v': 1, 'onnxruntime': onnxruntime.__version__, 'machine': platform.machine(), 'threads': 1, 'figures': figures}
    (collect.ROOT / 'results').mkdir(exist_ok=True)
    (collect.ROOT / 'results' / 'figures.json').write_text(json.dumps(results, indent=1) + '\n')


if __name__ == '__main__':
    main()
