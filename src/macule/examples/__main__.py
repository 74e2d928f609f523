"""`python -m macule.examples FOLDER [SEED]`: write the example pictures."""

from __future__ import annotations

import sys
from pathlib import Path

from macule.examples.files import write_examples

USAGE = "usage: python -m macule.examples FOLDER [SEED]"


def main(arguments: list[str]) -> int:
    """Returns: the exit status; 2 for wrong usage."""
    if len(arguments) not in (1, 2) or arguments[0].startswith("-") or not "".join(arguments[1:] or ["0"]).isdigit():
        print(USAGE, file=sys.stderr)
        return 2
    for path in write_examples(Path(arguments[0]), seed=int(arguments[1]) if len(arguments) == 2 else 0):
        print(f"{path}  {path.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
