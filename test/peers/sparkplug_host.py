"""A Sparkplug 3.0 host application on pysparkplug's payloads: a line of JSON for each message of an edge node, commands on standard input."""
import json
import sys
import threading
import time

from paho.mqtt.client import CallbackAPIVersion, Client
from pysparkplug import DBirth, DCmd, DData, DDeath, DataType, Metric, NBirth, NCmd, NData, NDeath

port, host_id, group, node = int(sys.argv[1]), *sys.argv[2:5]
kinds = {"NBIRTH": NBirth, "DBIRTH": DBirth, "NDATA": NData, "DDATA": DData, "NDEATH": NDeath, "DDEATH": DDeath}
births = {}
expected = None
blind = 0
client = Client(CallbackAPIVersion.VERSION2)


def now():
    return int(time.time() * 1000)


def state(online, timestamp):
    client.publish(f"spBv1.0/STATE/{host_id}", json.dumps({"online": online, "timestamp": timestamp}), qos=1, retain=True)


def write(kind, topic, name, datatype, value):
    metric = Metric(timestamp=now(), name=name, datatype=datatype, value=value)
    client.publish(topic, kind(timestamp=now(), metrics=(metric,)).encode(include_dtypes=True), qos=0)


def rebirth():
    write(NCmd, f"spBv1.0/{group}/NCMD/{node}", "Node Control/Rebirth", DataType.BOOLEAN, True)


def heard(_client, _userdata, message):
    global expected, blind
    _, its_group, verb, *rest = message.topic.split("/")
    if its_group == "STATE" or verb not in kinds:
        return
    if blind and verb == "DDATA":
        blind -= 1
        return
    device = "/".join(rest[1:])
    payload = kinds[verb].decode(message.payload, birth=births.get(device))
    if verb.endswith("BIRTH"):
        births[device] = payload
    gap = False
    if verb == "NBIRTH":
        expected = payload.seq
    if verb != "NDEATH":
        gap = payload.seq != expected
        expected = (payload.seq + 1) % 256
        if gap:
            rebirth()
    metrics = (payload.bd_seq_metric,) if verb == "NDEATH" else getattr(payload, "metrics", ())
    told = {
        "verb": verb,
        "device": device,
        "gap": gap,
        "metrics": [{"name": m.name, "type": m.datatype.name, "value": m.value, "historical": m.is_historical} for m in metrics],
    }
    print(json.dumps(told, default=str), flush=True)


def connected(*_):
    client.subscribe("spBv1.0/#", 0)
    if is_online:
        state(True, now())


is_online = False
listening = threading.Event()
born = now()
client.on_connect = connected
client.on_message = heard
client.on_subscribe = lambda *_: listening.set()
client.will_set(f"spBv1.0/STATE/{host_id}", json.dumps({"online": False, "timestamp": born}), qos=1, retain=True)
client.connect("127.0.0.1", port)
client.loop_start()
# Births that come before the subscription would be missed, and nothing would ask for them.
if not listening.wait(30):
    sys.exit("the broker does not answer")
for line in sys.stdin:
    command, *arguments = line.split()
    if command in ("online", "offline"):
        is_online = command == "online"
    if command == "online":
        state(True, now())
    elif command == "offline":
        state(False, now())
    elif command == "blind":
        blind = int(arguments[0])
    elif command == "write":
        device, name, value = arguments
        write(DCmd, f"spBv1.0/{group}/DCMD/{node}/{device}", name, DataType.STRING, value)
