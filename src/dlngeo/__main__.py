"""``python -m dlngeo`` is the command ``dlngeo``."""

from dlngeo.cli import main

if __name__ == "__main__":
    main()
