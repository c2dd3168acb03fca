"""The operator API, fuzzed from its own description, against a control plane of its own. Ends with the tool's exit code."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from garbage import garbage

ROOT = pathlib.Path(__file__).resolve().parents[2]
NODE = str(ROOT / "node_modules/.bin/node")
CHECKS = ("not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
          "response_schema_conformance,ignored_auth")
# Backups write folders on this machine; the stream has no end.
LEFT_OUT = ["--exclude-path", "/api/v1/backups", "--exclude-path", "/api/v1/events/stream"]


def main() -> int:
    with tempfile.TemporaryDirectory() as work:
        server, ready = start(work)
        try:
            token = pathlib.Path(ready["adminTokenFile"]).read_text().strip()
            code = fuzz(ready["http"], token, work)
            refused = garbage(ready["http"], token)
            for line in refused:
                print(line)
            return code or (1 if refused else 0)
        finally:
            server.terminate()
            server.wait(30)


def start(work):
    read, write = os.pipe()
    ports = {f"FLOTILLA_{name}_PORT": "0" for name in ("HTTP", "DEVICE_API", "MQTT")}
    environment = {**os.environ, **ports, "FLOTILLA_DATA": f"{work}/data", "FLOTILLA_LOG_LEVEL": "error"}
    server = subprocess.Popen([NODE, "control-plane/dist/src/main.js", "--exit-with-parent", "--ready-fd", str(write)],
                              cwd=ROOT, env=environment, stdin=subprocess.PIPE, pass_fds=[write])
    os.close(write)
    line = os.fdopen(read).readline()
    if not line:
        raise RuntimeError(f"the control plane ended with {server.wait()} before it was ready")
    return server, json.loads(line)


def fuzz(url, token, work):
    tool = str(pathlib.Path(sys.executable).with_name("schemathesis"))
    seconds, seed = os.environ.get("API_FUZZ_SECONDS", "45"), os.environ.get("API_FUZZ_SEED", "20261127")
    command = [tool, "--no-color", "run", f"{url}/api/v1/openapi.json", "--header", f"Authorization: Bearer {token}",
               "--checks", CHECKS, *LEFT_OUT, "--phases", "coverage,fuzzing", "--workers", "1", "--seed", seed,
               "--max-time", seconds, "--request-timeout", "10", "--no-shrink", "--generation-database", "none",
               "--suppress-health-check", "all", "--warnings", "off"]
    return subprocess.run(command, cwd=work, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
