"""The golden pictures on processors without VNNI, in qemu's user emulation: python make/emulate.py (some minutes).

Debian's qemu-user 7.2 knows AVX2 but no AVX-512: 'max' and 'Haswell' are therefore processors whose u8 x s8 products saturate.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

import collect
import measure
import preprocess
import quantize

PROCESSORS = ['max', 'Haswell']


def outputs() -> dict[str, np.ndarray]:
    entries = json.loads((collect.ROOT / 'golden' / 'cases.json').read_text())['cases']
    tensors = [preprocess.tensor(collect.ROOT / 'golden' / entry['input']) for entry in entries]
    return {version: measure.scores(measure.session(collect.ROOT / 'releases' / version / 'model.int8.onnx'), tensors) for version in quantize.RELEASES}


def emulated(processor: str, scratch: pathlib.Path) -> dict[str, np.ndarray]:
    target = scratch / f'{processor}.npz'
    subprocess.run(['qemu-x86_64', '-cpu', processor, sys.executable, __file__, '--child', str(target)], check=True, stderr=subprocess.DEVNULL)
    return dict(np.load(target))


def judged(own: np.ndarray, reference: np.ndarray, native: np.ndarray) -> dict:
    return {
        'top1': int((own.argmax(axis=1) == reference.argmax(axis=1)).sum()), 'cases': len(own),
        'cosineWithFloat': [round(float(c), 4) for c in measure.cosine(own, reference)],
        'minCosineWithNative': round(float(measure.cosine(own, native).min()), 6)}


def main() -> None:
    reference = np.array([entry['output']['values'] for entry in json.loads((collect.ROOT / 'golden' / 'cases.json').read_text())['cases']])
    native = outputs()
    with tempfile.TemporaryDirectory() as scratch:
        found = {'native': native} | {processor: emulated(processor, pathlib.Path(scratch)) for processor in PROCESSORS}
    flags = pathlib.Path('/proc/cpuinfo').read_text()
    results = {
        'v': 1, 'nativeHasVnni': 'avx512_vnni' in flags or 'avx_vnni' in flags,
        'processors': {processor: {version: judged(own[version], reference, native[version]) for version in quantize.RELEASES} for processor, own in found.items()}}
    (collect.ROOT / 'results' / 'processors.json').write_text(json.dumps(results, indent=1) + '\n')


if __name__ == '__main__':
    if '--child' in sys.argv:
        np.savez(sys.argv[-1], **outputs())
    else:
        main()
