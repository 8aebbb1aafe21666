"""The known word that a mistyped one was probably meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """The most similar known word, or an empty text when none is close.

    Case, ``_`` and ``-`` don't count: ``display_name`` is ``displayName``.
    """
    by_letters = {_letters(one): one for one in known}
    found = difflib.get_close_matches(_letters(word), by_letters, n=1, cutoff=0.6)
    return by_letters[found[0]] if found else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint with the nearest known word; otherwise all of them, while they are few."""
    words = list(known)
    if found := nearest(word, words):
        return f"did you mean `{found}`?"
    if not words:
        return ""
    shown = ", ".join(f"`{one}`" for one in words[:12])
    return f"known: {shown}" + (" …" if len(words) > 12 else "")


def _letters(word: str) -> str:
    return word.replace("_", "").replace("-", "").lower()
