"""Writes descriptors.json beside this file, from which the runner answers server reflection: `pip install grpcio-tools && python describe.py`."""
import base64
import json
import pathlib
import tempfile

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc

here = pathlib.Path(__file__).parent
protos = sorted(str(path.relative_to(here)) for path in here.rglob('*.proto'))
with tempfile.NamedTemporaryFile() as out:
    if protoc.main(['protoc', f'--proto_path={here}', f'--descriptor_set_out={out.name}', *protos]) != 0:
        raise SystemExit(1)
    described = FileDescriptorSet.FromString(pathlib.Path(out.name).read_bytes())


def symbols(file):
    return sorted(f'{file.package}.{declared.name}' for declared in [*file.message_type, *file.enum_type, *file.service])


services = sorted(f'{file.package}.{service.name}' for file in described.file for service in file.service)
files = [
    {
        'name': file.name,
        'symbols': symbols(file),
        'descriptor': base64.b64encode(file.SerializeToString(deterministic=True)).decode(),
    }
    for file in described.file
]
(here / 'descriptors.json').write_text(json.dumps({'services': services, 'files': files}, indent=2) + '\n')
