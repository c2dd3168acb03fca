"""A Flotilla engine: ONNX Runtime for Python behind descriptor 3. docs/engine-protocol.md says what is spoken there.

Needs Python 3.8, numpy and an onnxruntime (onnxruntime, or the build with CUDA and TensorRT of your board's vendor). Nothing else.
"""
import base64
import ctypes
import json
import os
import select
import signal
import socket
import struct
import sys
import threading
import time

import numpy as np
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # it asks once, when it is loaded, whether it may tell its maker what is computed where
import onnxruntime as ort

VERSION = "1.0"
PROTOCOL = 1
MAGIC = b"FLEN"
HEADER = struct.Struct("<4sHHIIQ")
MAX_HEAD = 1 << 20
MAX_PAYLOAD = 1 << 30
ALIGNMENT = 64

# Ours, best first, by ONNX Runtime's names.
PROVIDERS = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
# y = Relu(x), one float: whoever can't run this can't run anything.
SMALLEST_MODEL = base64.b64decode("CAcSADozCgwKAXgSAXkiBFJlbHUSAWdaDwoBeBIKCggIARIECgIIAWIPCgF5EgoKCAgBEgQKAggBQgQKABAN")
OURS = {theirs: ours for ours, theirs in PROVIDERS.items()}
NUMPY = {
    "BOOL": np.bool_, "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64, "INT8": np.int8,
    "INT16": np.int16, "INT32": np.int32, "INT64": np.int64, "FP16": np.float16, "FP32": np.float32, "FP64": np.float64,
}
DATATYPES = {np.dtype(kind): name for name, kind in NUMPY.items()}
ONNX_TYPES = {
    "tensor(bool)": "BOOL", "tensor(uint8)": "UINT8", "tensor(uint16)": "UINT16", "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64", "tensor(int8)": "INT8", "tensor(int16)": "INT16", "tensor(int32)": "INT32",
    "tensor(int64)": "INT64", "tensor(float16)": "FP16", "tensor(float)": "FP32", "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}


class Refused(Exception):
    """Answered with `failed`; the engine goes on."""

    def __init__(self, code, reason):
        super().__init__(reason)
        self.code = code


class BrokenProtocol(Exception):
    """The runner can't be understood any more: the engine ends."""


def aligned(offset):
    return -(-offset // ALIGNMENT) * ALIGNMENT


class Line:
    """Whole frames over a blocking socket."""

    def __init__(self, sock):
        self.sock = sock

    def read_into(self, view):
        while len(view) > 0:
            read = self.sock.recv_into(view)
            if read == 0:
                raise EOFError
            view = view[read:]

    def read(self):
        header = bytearray(HEADER.size)
        self.read_into(memoryview(header))
        magic, version, _flags, head_bytes, _reserved, payload_bytes = HEADER.unpack(header)
        if magic != MAGIC or version != PROTOCOL:
            raise BrokenProtocol("a frame begins with %r and version %d" % (bytes(magic), version))
        if not 2 <= head_bytes <= MAX_HEAD or payload_bytes > MAX_PAYLOAD or (HEADER.size + head_bytes) % ALIGNMENT:
            raise BrokenProtocol("a head of %d and a payload of %d bytes" % (head_bytes, payload_bytes))
        head = bytearray(head_bytes)
        self.read_into(memoryview(head))
        payload = aligned_buffer(payload_bytes)
        self.read_into(memoryview(payload))
        return json.loads(head.decode("utf-8")), payload

    def write(self, head, parts=()):
        text = json.dumps(head, separators=(",", ":")).encode("utf-8")
        whole = aligned(HEADER.size + len(text))
        payload_bytes = sum(len(part) for part in parts)
        header = HEADER.pack(MAGIC, PROTOCOL, 0, whole - HEADER.size, 0, payload_bytes)
        self.sock.sendall(header + text.ljust(whole - HEADER.size))
        for part in parts:
            if len(part) > 0:
                self.sock.sendall(part)


def aligned_buffer(size):
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start:start + size]


def unpack(place, payload):
    kind, shape, offset, length = place["type"], place["shape"], place["offset"], place["length"]
    if offset % ALIGNMENT or offset + length > len(payload):
        raise BrokenProtocol("%s does not lie in its payload" % place["name"])
    elements = int(np.prod(shape, dtype=np.int64))
    piece = payload[offset:offset + length]
    if kind == "BYTES":
        return unpack_text(piece.tobytes(), elements, place["name"]).reshape(shape)
    dtype = np.dtype(NUMPY[kind])
    if elements * dtype.itemsize != length:
        raise BrokenProtocol("%s has %d bytes for %d elements of %s" % (place["name"], length, elements, kind))
    return piece.view(dtype).reshape(shape)


def unpack_text(data, elements, name):
    texts = np.empty(elements, object)
    at = 0
    for i in range(elements):
        end = at + 4 + struct.unpack_from("<I", data, at)[0] if at + 4 <= len(data) else len(data) + 1
        if end > len(data):
            raise BrokenProtocol("element %d of %s reaches beyond its bytes" % (i, name))
        texts[i] = data[at + 4:end].decode("utf-8")
        at = end
    if at != len(data):
        raise BrokenProtocol("%d bytes follow the last text of %s" % (len(data) - at, name))
    return texts


def pack(names, arrays):
    """The tensors' places, and the payload's parts without a copy of the numbers."""
    places, parts, offset = [], [], 0
    for name, array in zip(names, arrays):
        if not isinstance(array, np.ndarray):
            raise Refused("run-failed", "the output %s is no tensor" % name)
        kind, data = packed(name, array)
        places.append({"name": name, "type": kind, "shape": list(array.shape), "offset": offset, "length": len(data)})
        filling = aligned(offset + len(data)) - offset - len(data)
        parts += [data, bytes(filling)]
        offset += len(data) + filling
    return places, parts


def packed(name, array):
    if array.dtype.kind in "OUS":
        encoded = [str(text).encode("utf-8") for text in array.reshape(-1)]
        return "BYTES", b"".join(struct.pack("<I", len(text)) + text for text in encoded)
    kind = DATATYPES.get(array.dtype)
    if kind is None:
        raise Refused("run-failed", "the output %s has the type %s, which can't be served" % (name, array.dtype))
    # A view as plain bytes; a memoryview of an empty array can't be cast.
    return kind, memoryview(np.ascontiguousarray(array).reshape(-1).view(np.uint8)) if array.size else b""


class Memory:
    """What the session holds on the accelerator: what became less since before it was loaded. On a Jetson that is the board's own memory."""

    def __init__(self):
        self.runtime = None
        self.before = 0

    def begin(self):
        self.runtime = cuda_runtime()
        self.before = self.free()

    def free(self):
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        if self.runtime is None or self.runtime.cudaMemGetInfo(ctypes.byref(free), ctypes.byref(total)) != 0:
            return 0
        return free.value

    def held(self):
        return max(0, self.before - self.free()) if self.runtime else 0


def cuda_runtime():
    for name in ("libcudart.so", "libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0"):
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def kilobytes(key):
    try:
        with open("/proc/self/status") as status:
            return next((int(line.split()[1]) * 1024 for line in status if line.startswith(key + ":")), 0)
    except OSError:
        return 0


class Engine:
    def __init__(self, line):
        self.line = line
        self.session = None
        self.outputs = []
        self.compiles = False
        self.seen_shapes = set()
        self.memory = Memory()

    def hello(self, order, _payload):
        if order.get("protocol") != PROTOCOL:
            raise Refused("bad-request", "this engine speaks protocol %d" % PROTOCOL)
        available = [ours for ours, theirs in PROVIDERS.items() if theirs in ort.get_available_providers()]
        if order.get("probe"):
            available = [name for name in available if works(name)]
        return {
            "type": "hello", "protocol": PROTOCOL,
            "engine": {"name": "flotilla-python", "version": VERSION},
            "runtime": {"name": "onnxruntime", "version": ort.__version__},
            "providers": available,
        }

    def load(self, order, _payload):
        if self.session is not None:
            raise Refused("bad-request", "this process has a model already")
        started = time.perf_counter()
        wanted = [name for name in order["providers"] if PROVIDERS.get(name) in ort.get_available_providers()]
        if any(name != "cpu" for name in wanted):
            self.memory.begin()
        self.compiles = "tensorrt" in wanted
        self.say_compiling(order, os.path.basename(order["path"]))
        try:
            session = ort.InferenceSession(order["path"], options(order), providers=provider_options(wanted, order))
            inputs = [signature(value) for value in session.get_inputs()]
            outputs = [signature(value) for value in session.get_outputs()]
        except Refused:
            raise
        except Exception as error:
            raise Refused("model-refused", str(error))
        # What could not be had has fallen back to another provider by now; it must not happen again unseen in the middle of a run.
        session.disable_fallback()
        self.session = session
        self.compiles = "tensorrt" in map(OURS.get, session.get_providers())
        self.outputs = [value["name"] for value in outputs]
        used = [OURS.get(name, name) for name in session.get_providers()]
        return {
            "type": "loaded", "inputs": inputs, "outputs": outputs,
            # CPU is in every session, as the last resort; where nothing else is, it is what computes.
            "providers": used, "loadMs": (time.perf_counter() - started) * 1000,
        }

    def say_compiling(self, order, what):
        """Said before it begins: a build may hold the interpreter's lock for as long as it lasts."""
        if self.compiles:
            self.line.write({"type": "progress", "id": order["id"], "phase": "compiling", "what": what[:200]})

    def feeds(self, order, payload):
        if self.session is None:
            raise Refused("bad-request", "no model is loaded")
        return {place["name"]: unpack(place, payload) for place in order["tensors"]}

    def warm(self, order, payload):
        feeds = self.feeds(order, payload)
        # With free dimensions, TensorRT builds at the first run of a shape.
        shapes = tuple(array.shape for array in feeds.values())
        if shapes not in self.seen_shapes:
            self.say_compiling(order, " ".join(map(str, shapes)))
        self.seen_shapes.add(shapes)
        for _ in range(order["runs"]):
            self.compute(feeds)
        return {"type": "warmed"}

    def run(self, order, payload):
        feeds = self.feeds(order, payload)
        wall, cpu = time.perf_counter(), time.process_time()
        results = self.compute(feeds)
        spent = {"wallUs": round((time.perf_counter() - wall) * 1e6), "cpuUs": round((time.process_time() - cpu) * 1e6)}
        places, parts = pack(self.outputs, results)
        return dict(spent, type="ran", tensors=places), parts

    def compute(self, feeds):
        try:
            return self.session.run(None, feeds)
        except Exception as error:
            raise Refused("run-failed", str(error))

    def stats(self, _order, _payload):
        rss, peak = kilobytes("VmRSS"), kilobytes("VmHWM")
        return {"type": "stats", "rssBytes": rss, "peakRssBytes": peak, "deviceBytes": self.memory.held()}


def works(name):
    """A build lists what it was built with, whether or not the machine has the GPU and the libraries for it."""
    if name == "cpu":
        return True
    try:
        settings = ort.SessionOptions()
        settings.log_severity_level = 4
        session = ort.InferenceSession(SMALLEST_MODEL, settings, providers=[PROVIDERS[name], PROVIDERS["cpu"]])
        session.disable_fallback()
        (result,) = session.run(None, {"x": np.array([2], np.float32)})
        return PROVIDERS[name] in session.get_providers() and result[0] == 2
    except Exception as error:
        print("%s can't be used: %s" % (name, error), file=sys.stderr)
        return False


def signature(value):
    kind = ONNX_TYPES.get(value.type)
    if kind is None:
        raise Refused("model-refused", "%s has the type %s, which can't be served" % (value.name, value.type))
    return {"name": value.name, "type": kind, "shape": [d if isinstance(d, int) and d >= 0 else -1 for d in value.shape]}


def options(order):
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = order["intraOpThreads"]
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 3
    settings.enable_cpu_mem_arena = False
    # Idle threads that spin cost a fixed-rate source most of a core and gain it nothing.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return settings


def provider_options(wanted, order):
    """CPU is always last: an operator that a GPU provider does not know would make the model unusable without it."""
    chosen = []
    cache = order.get("cacheFolder")
    for name in wanted:
        settings = {}
        if name == "tensorrt":
            settings["trt_fp16_enable"] = os.environ.get("FLOTILLA_TRT_FP16", "1")
            if cache:
                settings.update(trt_engine_cache_enable="1", trt_engine_cache_path=cache, trt_timing_cache_enable="1", trt_timing_cache_path=cache)
        if name == "cuda":
            # Grows by what is asked for instead of by doubling, on boards where the GPU's memory is the board's.
            settings["arena_extend_strategy"] = "kSameAsRequested"
            # TF32 keeps ten bits of an FP32 mantissa: 2.7 % off on a small detector. A variant that wants speed says fp16.
            settings["use_tf32"] = os.environ.get("FLOTILLA_CUDA_TF32", "0")
        if name != "cpu":
            chosen.append((PROVIDERS[name], settings))
    return chosen + [(PROVIDERS["cpu"], {})]


def end_with_the_runner(sock):
    """Watches for the other end's hang-up beside a computation, which can't be stopped in another way."""
    def watch():
        poll = select.poll()
        poll.register(sock.fileno(), select.POLLRDHUP | select.POLLHUP)
        poll.poll()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def answer(engine, line, order, payload):
    handler = {"hello": engine.hello, "load": engine.load, "warm": engine.warm, "run": engine.run, "stats": engine.stats}.get(order["type"])
    try:
        if handler is None:
            raise Refused("bad-request", "%r is not known here" % order["type"])
        result = handler(order, payload)
        head, parts = result if isinstance(result, tuple) else (result, ())
    except Refused as error:
        head, parts = {"type": "failed", "code": error.code, "reason": str(error)[:4000]}, ()
    line.write(dict(head, id=order["id"]), parts)


def main():
    # Ctrl-C in a terminal is the supervisor's business.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        sock = socket.socket(fileno=3)
    except OSError:
        sys.exit("flotilla_engine.py is started by flotilla-runner, with a socket as descriptor 3; it does nothing alone")
    # The slot's listening sockets came along from the runner; they are not this process's to hold.
    os.closerange(4, 256)
    line = Line(sock)
    engine = Engine(line)
    end_with_the_runner(sock)
    try:
        while True:
            order, payload = line.read()
            if order["type"] == "close":
                line.write({"type": "closed", "id": order["id"]})
                break
            answer(engine, line, order, payload)
    except (EOFError, ConnectionError):
        pass
    except BrokenProtocol as error:
        line.write({"type": "fatal", "reason": str(error)})
        sys.exit(str(error))
    # Some builds for Jetson crash in their own clean-up, which would be taken for a crash of the engine.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
