"""`python -m macule` is `macule`."""

from macule.cli import main

if __name__ == "__main__":
    main()
