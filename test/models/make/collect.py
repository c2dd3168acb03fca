"""Where the pictures come from, which are checked in, and which may calibrate a quantizer.

DALI_EXTRA names a checkout of NVIDIA/DALI_extra at the commit below; scikit-image comes from requirements.txt.
"""
import hashlib
import io
import json
import os
import pathlib

import numpy as np
from PIL import Image

import preprocess

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent
DALI_COMMIT = '21dd6148f0cf4557531d54b810379c681c898e91'
LONG_SIDE, QUALITY, MAX_BYTES = 480, 85, 60_000


def dali() -> pathlib.Path:
    return pathlib.Path(os.environ['DALI_EXTRA']) / 'db'


def skimage() -> pathlib.Path:
    import importlib.util
    return pathlib.Path(importlib.util.find_spec('skimage').origin).parent / 'data'


def source(name: str) -> pathlib.Path:
    """'dali:…' or 'skimage:…' as written in sources.json and split.json."""
    kind, _, path = name.partition(':')
    return {'dali': dali, 'skimage': skimage}[kind]() / path


def sha256(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def split() -> dict[str, list[str]]:
    """Calibration and evaluation never share a photograph. Drawings among DALI's PNGs are left out."""
    chosen = {entry['source'] for entry in json.loads((HERE / 'sources.json').read_text())}
    coco = {f'dali:coco/images/{path.name}' for path in (dali() / 'coco/images').glob('*.jpg')}
    single = {f'dali:single/jpeg/{path.parent.name}/{path.name}' for path in (dali() / 'single/jpeg').glob('*/*.jpg')}
    return {'calibration': sorted(coco - chosen), 'evaluation': sorted(single | chosen)}


def crops(name: str, count: int) -> list[np.ndarray]:
    """The picture as served, then random parts of it, mirrored or not: seeded by its name, so they never change."""
    picture = preprocess.decode(source(name))
    tensors = [preprocess.normalise(preprocess.centre_crop(picture))]
    random = np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], 'big'))
    while len(tensors) < count:
        side = int(min(picture.size) * random.uniform(0.6, 1.0))
        left, top = (int(random.integers(0, extent - side + 1)) for extent in picture.size)
        part = picture.resize((224, 224), Image.Resampling.BILINEAR, (left, top, left + side, top + side))
        if random.integers(2):
            part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        tensors.append(preprocess.normalise(part))
    return tensors


def small(picture: Image.Image, orientation: int) -> bytes:
    """A JPEG of at most MAX_BYTES. Orientation 6 stores it lying on its side and says so, as telephones do."""
    scale = LONG_SIDE / max(picture.size)
    if scale < 1:
        picture = picture.resize(tuple(preprocess.half_up(side * scale) for side in picture.size), Image.Resampling.LANCZOS)
    exif = Image.Exif()
    if orientation == 6:
        picture = picture.transpose(Image.Transpose.ROTATE_90)
        exif[0x0112] = orientation
    for quality in range(QUALITY, 40, -5):
        out = io.BytesIO()
        picture.save(out, 'JPEG', quality=quality, subsampling='4:2:0', optimize=True, exif=exif)
        if out.tell() <= MAX_BYTES:
            return out.getvalue()
    raise SystemExit('a picture that will not get small')


def photographs() -> list[dict]:
    """Write photographs/*.jpg and photographs.json from sources.json."""
    folder, labels = ROOT / 'photographs', (ROOT / 'labels.txt').read_text().splitlines()
    folder.mkdir(exist_ok=True)
    listed = []
    for entry in json.loads((HERE / 'sources.json').read_text()):
        path = folder / entry['file']
        path.write_bytes(small(preprocess.decode(source(entry['source'])), entry.get('orientation', 1)))
        listed.append({
            'file': entry['file'], 'shows': entry['shows'],
            'classes': [{'index': index, 'label': labels[index]} for index in entry['classes']],
            'source': entry['source'], 'sourceSha256': sha256(source(entry['source'])), 'licence': entry['licence'], 'credit': entry['credit'],
            'orientation': entry.get('orientation', 1), 'sha256': sha256(path)})
    (folder / 'photographs.json').write_text(json.dumps({'v': 1, 'photographs': listed}, indent=1) + '\n')
    return listed
