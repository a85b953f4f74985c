"""Migrates shipped presets and committed records to today's names; numbers do not change.

    git archive COMMIT zoo/presets benchmarks/results | tar x -C OLD
    python -m benchmarks.migrate OLD NEW            # writes NEW, then compares
    python -m benchmarks.migrate OLD NEW --check    # only compares
    python -m benchmarks.migrate OLD NEW --build    # also builds the presets and runs them

OLD and NEW are folders like this repository, with `zoo/presets` and `benchmarks/results`; NEW may
be the repository itself. Presets become format 2: same weights to the bit, same golden outputs, a
card rendered again from its record. Records get new names of keys, metrics and protocols by
`tables`; their numbers stay, and digests are computed again. The comparison lists every
text that changed and fails if a number did.
"""

import argparse
import contextlib
import io
import sys
from pathlib import Path

from benchmarks.migrate.comparison import PRESETS, RESULTS, build_presets, compare
from benchmarks.migrate.preset_files import migrate_presets
from benchmarks.migrate.record_files import migrate_records


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.migrate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("old", type=Path, help="folder with the old files")
    parser.add_argument("new", type=Path, help="folder for the new files")
    parser.add_argument("--check", action="store_true", help="write nothing, only compare")
    parser.add_argument("--build", action="store_true", help="also run the new presets")
    options = parser.parse_args(arguments)
    old, new = options.old, options.new
    if not options.check:
        with contextlib.redirect_stdout(io.StringIO()):  # cards need records, which need digests
            migrate_records(old / RESULTS, new / RESULTS, {})
        digests = migrate_presets(old / PRESETS, new / PRESETS, new / RESULTS)
        migrate_records(old / RESULTS, new / RESULTS, digests)
    faults = compare(old, new)
    faults += build_presets(new / PRESETS) if options.build else []
    if faults:
        sys.exit("\n".join(faults))
    print("every number is the same")


if __name__ == "__main__":
    main()
