"""What many would write by hand: FastAPI, uvicorn and onnxruntime, answering the same binary request. `python fastapi_server.py MODEL`"""
import json
import socket
import sys

import numpy as np
import onnxruntime as ort
import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool

options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(sys.argv[1], options, providers=['CPUExecutionProvider'])
names = [output.name for output in session.get_outputs()]
app = FastAPI()


@app.post('/v2/models/{model}/infer')
async def infer(model: str, request: Request):
    body = await request.body()
    split = int(request.headers['inference-header-content-length'])
    feeds, offset = {}, split
    for tensor in json.loads(body[:split])['inputs']:
        size = tensor['parameters']['binary_data_size']
        feeds[tensor['name']] = np.frombuffer(body, np.float32, size // 4, offset).reshape(tensor['shape'])
        offset += size
    # In a thread, so that the next request is read meanwhile.
    outputs = await run_in_threadpool(session.run, names, feeds)
    described = [{'name': name, 'datatype': 'FP32', 'shape': data.shape, 'parameters': {'binary_data_size': data.nbytes}}
                 for name, data in zip(names, outputs)]
    head = json.dumps({'model_name': model, 'outputs': described}).encode()
    return Response(head + b''.join(data.tobytes() for data in outputs), media_type='application/octet-stream',
                    headers={'inference-header-content-length': str(len(head))})


listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level='error', access_log=False)).run(sockets=[listener])
