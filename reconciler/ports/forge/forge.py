"""What is asked of a forge: it is told how a commit ended, and what was reviewed is read there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, Protocol

MOST_OF_DESCRIPTION: Final = 140
"""Characters of a commit status."""

MOST_OF_COMMENT: Final = 65_536
"""Characters of a comment."""

State = Literal["pending", "success", "failure"]


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request. ``head`` is its last commit, ``base`` the branch that it goes into."""

    number: int
    head: str
    merged: bool
    base: str = ""


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment on a pull request. ``author`` is the account's name, empty if the account is gone.

    Anybody who may comment wrote ``body``, and in some forges others may edit it.
    """

    id: int
    body: str
    author: str
    by_program: bool = False
    """Whether the account is an app's, as nobody can sign in to by hand."""


class Forge(Protocol):
    """One repository on a forge. Every call may be made twice; threads may share it.

    Errors of every call: ``ForgeFailed``, with the seconds to wait where the forge said so. No message holds the token.
    """

    def status(self, commit: str, context: str, state: State, description: str, url: str = "") -> None:
        """Set a commit's status under ``context``; nothing is written if it stands there already.

        ``description`` is cut after ``MOST_OF_DESCRIPTION`` characters; ``url`` is where more is to be seen.
        """

    def pull_requests_of(self, commit: str) -> list[PullRequest]:
        """The pull requests that brought the commit to its branch, and open ones that hold it."""

    def comments(self, number: int) -> list[Comment]:
        """All comments of a pull request, the oldest first."""

    def put_comment(self, number: int, marker: str, body: str) -> None:
        """Make the one comment of a pull request that begins with ``marker``, as ``body`` does, or edit it in place.

        Only comments of the token's own account are touched: of several with the marker the oldest is edited, and the
        others are deleted. Nothing is written if it holds ``body`` already.
        """


def merged_into(found: Iterable[PullRequest], branch: str) -> PullRequest | None:
    """The pull request by which a commit came to ``branch`` (empty: to any); the youngest of several."""
    merged = [entry for entry in found if entry.merged and (not branch or entry.base == branch)]
    return max(merged, key=lambda entry: entry.number, default=None)
