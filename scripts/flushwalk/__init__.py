"""The Python half of flushwalk: runs benchmarks, turns their files into figures and a report."""
