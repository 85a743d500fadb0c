"""The command line. Each command is a function in its own module, imported when it is called."""

from __future__ import annotations

import sys

from surrogates.physics.errors import SurrogatesError


def main(arguments: list[str] | None = None) -> None:
    """Entry point: exit code 0, 1 for a broken law, 2 with one message for what the user can act on, 130 for Ctrl-C."""
    try:
        from surrogates.workflows.commands.app import app

        app(args=sys.argv[1:] if arguments is None else arguments, prog_name="surrogates")
    except SurrogatesError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:  # what the machine refuses, wherever nobody said it better
        print(f"{type(error).__name__}: {error}; free space there, or permit reading and writing", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
