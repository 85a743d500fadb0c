"""Words of an error message: the nearest valid one, and a list of what is accepted."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, valid: Iterable[str]) -> str | None:
    """The valid word most like `word`, None when nothing is like it."""
    lower = {v.lower(): v for v in sorted(valid, reverse=True)}
    close = get_close_matches(word.lower(), lower, n=1, cutoff=0.5)
    return lower[close[0]] if close else None


def accepted(valid: Iterable[str], word: str | None = None) -> str:
    """`accepted are a, b, c; nearest is "b"`, for the end of a message."""
    words = sorted(valid)
    text = f"accepted: {', '.join(words[:40])}" if words else "nothing is accepted here"
    close = nearest(word, words) if word else None
    return f'{text}; did you mean "{close}"?' if close else text
