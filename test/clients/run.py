"""Runs every test_*.py beside this file; the last line counts. Exits 1 when one failed, or none ran."""
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
suite = unittest.defaultTestLoader.discover(str(HERE))
result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
# One test with several failing subtests counts once.
failed = len({test.id().split(" ")[0] for test, _ in result.failures + result.errors}) + len(result.unexpectedSuccesses)
for test, reason in result.skipped:
    print(f"skipped {test.id()}: {reason}")
passed = max(0, result.testsRun - failed - len(result.skipped))
print(f"clients: {passed} passed, {failed} failed, {len(result.skipped)} skipped")
sys.exit(0 if failed == 0 and passed > 0 else 1)
