"""`python -m tests.fuzz [INPUTS] [SEED]`: a million inputs, and what became of them. `make fuzz`."""

import argparse
import faulthandler
import sys

from tests.fuzz.decoders import Fuzzer, Report

HANG_S = 300
CHUNK = 50_000
SLOWEST_S = 2.0
MOST_GROWN = 200 * 2**20


def main() -> int:
    options = _options()
    fuzzer = Fuzzer(options.seed)
    report = Report()
    while report.inputs < options.inputs:
        faulthandler.dump_traceback_later(HANG_S, exit=True)
        report = fuzzer.run(min(report.inputs + CHUNK, options.inputs))
        print(_line(report), flush=True)
    if report.slowest > SLOWEST_S or report.grown > MOST_GROWN:
        print("an input took too long, or too much memory", file=sys.stderr)
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("inputs", nargs="?", type=int, default=1_000_000)
    parser.add_argument("seed", nargs="?", type=int, default=1)
    return parser.parse_args()


def _line(report: Report) -> str:
    return (
        f"{report.inputs} inputs in {report.seconds:.0f} s, {report.taken} were requests, "
        f"{report.compared} compared in both encodings, {report.stricter} read by the official one alone; "
        f"slowest {report.slowest * 1e3:.0f} ms, memory grew {report.grown / 1e6:.0f} MB"
    )


if __name__ == "__main__":
    sys.exit(main())
