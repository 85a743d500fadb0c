"""`python -m surrogates`, the same as `surrogates`."""

from surrogates.workflows.cli import main

if __name__ == "__main__":
    main()
