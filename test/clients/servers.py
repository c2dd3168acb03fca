"""Starts what the clients talk to, from the checkout, and ends it with them."""
import atexit
import functools
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
NODE = str(ROOT / "node_modules/.bin/node")
FROM_SOURCE = ["--disable-warning=ExperimentalWarning", "--experimental-transform-types", "--conditions=flotilla-source",
               "--import", "./test/support/run-source.mjs"]
MODEL = "inspection"


@functools.cache
def echo():
    """Runners around small models: {name: {"http": "host:port", "grpc": "host:port"}}."""
    return already("FLOTILLA_TEST_ECHO") or started([*FROM_SOURCE, "agent/src/runner/fixtures/serve-echo.ts"])


@functools.cache
def agent():
    """A whole device: enrolled, its release delivered, verified, proven and committed."""
    return already("FLOTILLA_TEST_AGENT") or started(["test/dist/clients/serve-agent.js"])


def shared():
    """Both, for processes that are to use them instead of starting their own."""
    return {"FLOTILLA_TEST_ECHO": json.dumps(echo()), "FLOTILLA_TEST_AGENT": json.dumps(agent())}


def already(name):
    return json.loads(os.environ[name]) if name in os.environ else None


def started(arguments):
    server = subprocess.Popen([NODE, *arguments], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(end, server)
    line = server.stdout.readline()
    if not line:
        raise RuntimeError(f"{arguments[-1]} ended with {server.wait()} before it served")
    return json.loads(line)


def end(server):
    server.terminate()
    try:
        server.wait(30)
    except subprocess.TimeoutExpired:
        server.kill()
