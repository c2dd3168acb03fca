"""Golden cases and the outputs that other implementations are held against."""
import json
import shutil

import numpy as np

import collect
import measure
import preprocess

STRIDE = 1009
TENSOR_TOLERANCE = 0.04


def softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max())
    return raised / raised.sum()


def top(logits: np.ndarray, labels: list[str]) -> list[dict]:
    scores = softmax(logits.astype(np.float64))
    return [{'index': int(i), 'label': labels[i], 'score': round(float(scores[i]), 4)} for i in scores.argsort()[::-1][:5]]


def rounded(values, digits: int) -> list[float]:
    return [round(float(value), digits) for value in values]


def lines(head: dict, key: str, entries: list[dict]) -> str:
    """JSON with one entry a line: a thousand numbers each, and still a readable diff."""
    opening = json.dumps(head)[:-1]
    return f'{opening}, "{key}": [\n' + ',\n'.join(json.dumps(entry, separators=(',', ':')) for entry in entries) + '\n]}\n'


def cases(network) -> None:
    folder, labels = collect.ROOT / 'golden', (collect.ROOT / 'labels.txt').read_text().splitlines()
    folder.mkdir(exist_ok=True)
    entries = []
    for entry in json.loads((collect.HERE / 'sources.json').read_text()):
        if not entry['golden']:
            continue
        picture = collect.ROOT / 'photographs' / entry['file']
        shutil.copyfile(picture, folder / entry['file'])
        tensor = preprocess.tensor(picture)
        logits = measure.scores(network, [tensor])[0]
        entries.append({
            'name': picture.stem, 'input': entry['file'],
            'tensor': {'shape': list(tensor.shape), 'stride': STRIDE, 'values': rounded(tensor.ravel()[::STRIDE], 5), 'tolerance': TENSOR_TOLERANCE},
            'output': {'name': 'scores', 'values': rounded(logits, 4), 'top': top(logits, labels)}})
    (folder / 'cases.json').write_text(lines({'v': 1}, 'cases', entries))


def expected(name: str, network) -> None:
    """Every photograph through one network, Pillow before it: what a port of the preprocessing must arrive at."""
    folder, labels = collect.ROOT / 'expected', (collect.ROOT / 'labels.txt').read_text().splitlines()
    folder.mkdir(exist_ok=True)
    entries = []
    for picture in sorted((collect.ROOT / 'photographs').glob('*.jpg')):
        logits = measure.scores(network, [preprocess.tensor(picture)])[0]
        entries.append({'file': picture.name, 'top': top(logits, labels), 'scores': rounded(logits, 4)})
    (folder / f'{name}.json').write_text(lines({'v': 1, 'model': name}, 'photographs', entries))
