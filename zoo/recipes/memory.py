"""What this process uses: for records, where numbers of seconds mean nothing without it."""

import sys


def peak_mb():
    """The largest memory this process has held; None where it cannot be told."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
