"""`python -m blackhole.catalogue.compile`: compiles the built-in catalogue for the wheel."""

import sys

from blackhole.catalogue import compiled
from blackhole.catalogue.load import BUILTIN
from blackhole.errors import CatalogueError


def main() -> int:
    try:
        entries = compiled.write(BUILTIN)
    except CatalogueError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(f"{entries} catalogue entries compiled\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
