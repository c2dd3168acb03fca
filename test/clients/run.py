"""Runs every test_*.py beside this file, or those named; the last line counts. Exits 1 when one failed, or none ran."""
import json
import os
import pathlib
import subprocess
import sys
import unittest

import servers

HERE = pathlib.Path(__file__).resolve().parent
COUNTS = "counts: "


def run_one(name):
    """In a process of its own: two clients may bring messages of the same names."""
    run = subprocess.Popen([sys.executable, __file__, "--one", name], stdout=subprocess.PIPE, text=True)
    counts = None
    for line in run.stdout:
        if line.startswith(COUNTS):
            counts = json.loads(line.removeprefix(COUNTS))
        else:
            print(line, end="", flush=True)
    # A file that came to no count at all is one failure.
    return counts if run.wait() in (0, 1) and counts else [0, 1, 0]


def one(name):
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(unittest.defaultTestLoader.loadTestsFromName(name))
    # One test with several failing subtests counts once.
    failed = len({test.id().split(" ")[0] for test, _ in result.failures + result.errors}) + len(result.unexpectedSuccesses)
    for test, reason in result.skipped:
        print(f"skipped {test.id()}: {reason}")
    passed = max(0, result.testsRun - failed - len(result.skipped))
    print(COUNTS + json.dumps([passed, failed, len(result.skipped)]))


def main(names):
    os.environ.update(servers.shared())
    counts = [run_one(name) for name in names or sorted(path.stem for path in HERE.glob("test_*.py"))]
    passed, failed, skipped = (sum(column) for column in zip(*counts))
    print(f"clients: {passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(0 if failed == 0 and passed > 0 else 1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2])
    else:
        main(sys.argv[1:])
