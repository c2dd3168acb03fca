"""What the releases are worth: agreement with the float reference on unseen crops, compute time in interleaved rounds."""
import pathlib
import time

import numpy as np
import onnxruntime

import collect

CROPS, ROUNDS, RUNS = 5, 25, 3


def session(path: pathlib.Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])


def scores(network, tensors) -> np.ndarray:
    return np.concatenate([network.run(['scores'], {'images': tensor})[0] for tensor in tensors])


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(axis=-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))


def agreement(sessions: dict) -> dict[str, dict]:
    tensors = [tensor for name in collect.split()['evaluation'] for tensor in collect.crops(name, CROPS)]
    reference = scores(sessions['float'], tensors)
    found = {}
    for name, network in sessions.items():
        own = scores(network, tensors)
        same = own.argmax(axis=1) == reference.argmax(axis=1)
        found[name] = {
            'agreementWithFloat': round(float(same.mean()), 4), 'crops': len(tensors),
            'cosineMean': round(float(cosine(own, reference).mean()), 4), 'cosineMin': round(float(cosine(own, reference).min()), 4)}
    return found


def compute(sessions: dict) -> dict[str, dict]:
    """CPU milliseconds of this thread, which other processes disturb less than wall time."""
    tensor = collect.crops(collect.split()['evaluation'][0], 1)[0]
    times = {name: [] for name in sessions}
    for round_ in range(ROUNDS + 2):
        for name, network in sessions.items():
            start = time.thread_time()
            for _ in range(RUNS):
                network.run(['scores'], {'images': tensor})
            if round_ >= 2:
                times[name].append((time.thread_time() - start) / RUNS * 1000)
    return {
        name: {'meanComputeMs': round(float(np.mean(list_)), 2), 'medianComputeMs': round(float(np.median(list_)), 2), 'maxComputeMs': round(max(list_), 2), 'runs': ROUNDS * RUNS}
        for name, list_ in times.items()}


def figures(sessions: dict) -> dict[str, dict]:
    accuracy, cost = agreement(sessions), compute(sessions)
    return {name: accuracy[name] | cost[name] for name in sessions}
