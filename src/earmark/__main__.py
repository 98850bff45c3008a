"""``python -m earmark``: the command line, for those who start Python themselves, as ``torchrun`` does."""

from earmark.cli import main

if __name__ == "__main__":
    main()
