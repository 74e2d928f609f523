"""`python -m macule.cli`."""

from macule.cli import main

main()
