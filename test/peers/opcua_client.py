"""An OPC UA client (asyncua); a line of JSON for each command on standard input, one for each answer."""
import asyncio
import datetime
import json
import logging
import pathlib
import sys

from asyncua import Client, ua
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from asyncua.crypto.security_policies import SecurityPolicyAes256Sha256RsaPss, SecurityPolicyBasic256Sha256
from cryptography.x509.oid import ExtendedKeyUsageOID

logging.disable(logging.CRITICAL)
NAMESPACE = "urn:flotilla:slots"
POLICIES = {"Basic256Sha256": SecurityPolicyBasic256Sha256, "Aes256_Sha256_RsaPss": SecurityPolicyAes256Sha256RsaPss}
URI = "urn:test:asyncua"


def plain(value):
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=datetime.timezone.utc).timestamp() * 1000
    if isinstance(value, ua.EUInformation):
        return {"unitId": value.UnitId, "symbol": value.DisplayName.Text}
    return value


def told(data):
    return {"value": plain(data.Value.Value), "status": data.StatusCode.name, "at": plain(data.SourceTimestamp)}


class Seen:
    """What a subscription says."""

    def __init__(self):
        self.values, self.events, self.changes = [], [], 0

    def datachange_notification(self, node, _value, data):
        self.values.append({"id": node.nodeid.Identifier, **told(data.monitored_item.Value)})

    def event_notification(self, event):
        fields = ("Class", "PreviousClass", "Confidence", "InspectionId", "Release", "Quality", "Severity", "SourceName", "Time")
        self.events.append({field: plain(getattr(event, field)) for field in fields} | {"Message": event.Message.Text})

    def status_change_notification(self, _status):
        self.changes += 1


class Peer:
    def __init__(self):
        self.client, self.index, self.seen = None, 0, Seen()

    async def open(self, url, folder=None, user=None, password=None, policy=None):
        self.client = Client(url, timeout=10)
        self.client.application_uri = URI
        if policy:
            certificate, key = await self.certificate(pathlib.Path(folder))
            await self.client.set_security(POLICIES[policy], str(certificate), str(key))
        if user:
            self.client.set_user(user)
            self.client.set_password(password)
        await self.client.connect()
        self.index = await self.client.get_namespace_index(NAMESPACE)
        return self.index

    async def certificate(self, folder):
        key, certificate = folder / "key.pem", folder / "certificate.der"
        usage = [ExtendedKeyUsageOID.CLIENT_AUTH]
        await setup_self_signed_certificate(key, certificate, URI, "asyncua", usage, {"commonName": "asyncua"})
        return certificate, key

    def node(self, name):
        return self.client.get_node(f"ns={self.index};s={name}")

    async def names(self, name):
        children = await self.node(name).get_children()
        return [(await child.read_browse_name()).Name for child in children]

    async def read(self, *names):
        ids = [self.node(name).nodeid for name in names]
        return [told(data) for data in await self.client.uaclient.read_attributes(ids, ua.AttributeIds.Value)]

    async def unit(self, name):
        return plain(await (await self.node(name).get_child("0:EngineeringUnits")).read_value())

    async def watch(self, period, *names):
        subscription = await self.client.create_subscription(period, self.seen)
        await subscription.subscribe_data_change([self.node(name) for name in names])

    async def events(self):
        subscription = await self.client.create_subscription(50, self.seen)
        await subscription.subscribe_events(self.client.nodes.server, [self.node("ClassChangedEventType")])

    async def told(self):
        seen, self.seen.values, self.seen.events = (self.seen.values, self.seen.events), [], []
        return {"values": seen[0], "events": seen[1]}

    async def history(self, name, most=0, newest_first=False):
        far = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
        early = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=2)
        span = (far, early) if newest_first else (early, far)
        return [told(data) for data in await self.node(name).read_raw_history(*span, most)]

    async def call(self, name, method, *arguments):
        return plain_all(await self.node(name).call_method(f"{self.index}:{method}", *arguments))

    async def write(self, name, value):
        await self.node(name).write_value(ua.Variant(value, ua.VariantType.String))

    async def close(self):
        await self.client.disconnect()


def plain_all(values):
    return [plain(value) for value in values] if isinstance(values, list) else plain(values)


async def main():
    peer = Peer()
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command, arguments, options = json.loads(line)
        try:
            answer = {"answer": await getattr(peer, command)(*arguments, **options)}
        except Exception as error:  # what it is refused is the answer
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


asyncio.run(main())
