"""What the command-line programs share: errors are one line on standard error, exit 2."""

from __future__ import annotations

import argparse
import sys
from typing import Callable, NoReturn

EXIT_BAD_INPUT = 2


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}", file=sys.stderr)
        raise SystemExit(EXIT_BAD_INPUT)


def run(program: str, work: Callable[[], int]) -> int:
    """Calls work() and gives its exit code; what a user can have caused becomes one line."""
    # Here, because pandas takes half a second: help and complaints do without.
    from flushwalk.results import ReportError

    try:
        return work()
    except ReportError as error:
        print(f"{program}: {error}", file=sys.stderr)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"{program}: {where}{error.strerror or error}", file=sys.stderr)
    return EXIT_BAD_INPUT
