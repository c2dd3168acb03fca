"""Reads an MQTT output with paho-mqtt, as a script in a factory would; a line of JSON for each message."""
import json
import sys

import paho.mqtt.client as mqtt

port, topic = int(sys.argv[1]), sys.argv[2]


def connected(client, userdata, flags, reason_code, properties):
    client.subscribe(topic, qos=1)


def subscribed(client, userdata, mid, reason_codes, properties):
    print(json.dumps({"subscribed": topic}), flush=True)


def message(client, userdata, message):
    body = json.loads(message.payload) if message.payload else None
    print(json.dumps({"topic": message.topic, "retain": message.retain, "qos": message.qos, "body": body}), flush=True)


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
client.on_connect, client.on_subscribe, client.on_message = connected, subscribed, message
client.connect("127.0.0.1", port)
client.loop_forever()
