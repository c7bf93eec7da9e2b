"""The trace of a real cluster is not part of the project: where it is absent, nothing is compared."""

from tests.traces import find_trace

collect_ignore = [] if find_trace() else ["test_waits_of_a_cluster.py"]
