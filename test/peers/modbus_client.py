"""Reads and writes a slot's registers with pymodbus; a line of JSON for each command on standard input."""
import json
import sys

from pymodbus.client import ModbusTcpClient

client = ModbusTcpClient("127.0.0.1", port=int(sys.argv[1]), timeout=10, retries=0)


def told(answer):
    if answer.isError():
        return {"exception": answer.exception_code}
    if answer.function_code in (1, 2):
        return {"bits": answer.bits}
    if answer.function_code in (3, 4):
        return {"registers": answer.registers}
    return {"written": True}


def convert(registers, kind, order):
    return client.convert_from_registers(registers, getattr(client.DATATYPE, kind), word_order=order)


def run(command, *arguments, **options):
    if command == "convert":
        return {"value": convert(*arguments)}
    if not client.connected and not client.connect():
        return {"error": "no connection"}
    return told(getattr(client, command)(*arguments, **options))


for line in sys.stdin:
    command, arguments, options = json.loads(line)
    try:
        answer = run(command, *arguments, **options)
    except Exception as error:  # what it can't make sense of is the answer
        client.close()
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
