"""Errors that a user can act on: what was given, what is accepted, what to do."""


class SurrogatesError(Exception):
    """Parent of every error raised on purpose; the command line prints it as one message and exits with 2."""


class DomainError(SurrogatesError):
    """The physics of an input is impossible or unknown to the model: NaN, two atoms on a site, a foreign element."""


class FileError(SurrogatesError):
    """A file is missing, damaged, truncated or not of the format its name promises."""


class WorkflowError(SurrogatesError):
    """A workflow file names something that does not exist or does not fit; its text has file, line and column."""


class TrustError(SurrogatesError):
    """A file names code that a file may not name."""


class TrainingError(SurrogatesError):
    """A training plan that cannot be followed, or a training that broke down; the message names the sample."""


class SurrogatesWarning(UserWarning):
    """Something a user should know and can act on; the text says how."""


class MissingExtra(SurrogatesError, ImportError):
    """An optional package is not installed; the message names the extra that brings it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f'{package} is not installed; it comes with the extra "{extra}": pip install "surrogates[{extra}]"'
        )
