"""Run the command line as ``python -m qless_py``."""

from qless_py.cli import main

if __name__ == "__main__":
    main()
