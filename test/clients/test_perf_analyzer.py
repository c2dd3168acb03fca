"""Triton's load generator, which asks for metadata, configuration and statistics before and after it loads the server."""
import os
import re
import subprocess
import unittest

import servers
from servers import MODEL


def environment():
    libraries = os.environ.get("PERF_ANALYZER_LIBRARIES", "")
    return {**os.environ, "LD_LIBRARY_PATH": f"{libraries}:{os.environ.get('LD_LIBRARY_PATH', '')}"}


def usable():
    program = os.environ.get("PERF_ANALYZER")
    return program and subprocess.run([program, "--version"], env=environment(), capture_output=True).returncode == 0


@unittest.skipUnless(usable(), "perf_analyzer does not run on this machine (PERF_ANALYZER names the program)")
class PerfAnalyzer(unittest.TestCase):
    def check(self, protocol, *options, address=None, requests=200):
        address = address or servers.echo()["colour"][protocol]
        # What it sends is random bits, among them NaN: it gets its answers, and wants to see them counted as successes.
        command = [os.environ["PERF_ANALYZER"], "-m", MODEL, "-u", address, "-i", protocol, "--service-kind", "triton",
                   "--concurrency-range", "1:2", "--measurement-mode", "count_windows", "--measurement-request-count", str(requests),
                   "--stability-percentage", "999", "--max-trials", "3", *options]
        run = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        rates = [float(rate) for rate in re.findall(r"Concurrency: \d+, throughput: ([\d.]+) infer/sec", run.stdout)]
        self.assertEqual(len(rates), 2, run.stdout)
        self.assertGreater(min(rates), 1)

    def test_http(self):
        self.check("http")

    def test_grpc(self):
        self.check("grpc")

    def test_grpc_streaming(self):
        self.check("grpc", "--streaming")

    def test_agent(self):
        self.check("grpc", address=servers.agent()["grpc"], requests=50)


if __name__ == "__main__":
    unittest.main()
