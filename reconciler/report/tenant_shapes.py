"""The JSON Schemas of what is told of tenants: ``reconcile status`` and ``reconcile why``."""

from __future__ import annotations

from reconciler.model.states import TenantState
from reconciler.report import schema_parts as parts
from reconciler.report.schema_parts import Schema


def status() -> Schema:
    """``reconcile status --format json``."""
    letter = parts.members(
        "A notification that waits to be sent, or that was given up.",
        {
            "id": parts.text("Its id, the same however often it is sent."),
            "receiver": parts.text("Who is to get it."),
            "tenant": parts.text("Of which tenant it tells."),
            "event": parts.text("What it tells."),
            "state": {"enum": ["waiting", "dead"], "description": "Whether it is sent again by itself."},
            "writtenAt": parts.moment("When it was written."),
            "attempts": parts.count("How often it was sent."),
            "triedAt": parts.maybe(parts.moment("When it was sent last.")),
            "dueAt": parts.maybe(parts.moment("When it is sent next; null for a dead one.")),
            "error": parts.maybe(parts.text("Why it was not taken.")),
        },
    )
    return parts.document(
        "status",
        "What `reconcile status --format json` prints.",
        {
            "tenants": parts.listed(
                "Every tenant that the store knows of.", parts.members("A tenant as the store knows it.", _known())
            ),
            "source": parts.listed("The conditions of where the specs are merged.", parts.ref("condition")),
            "paused": parts.maybe(parts.ref("hold")),
            "outbox": parts.listed("Notifications that wait, and those that were given up.", letter),
        },
        {"condition": _condition(), "transaction": _transaction(), "hold": _hold()},
    )


def why() -> Schema:
    """``reconcile why --format json``."""
    commit = parts.members(
        "The commit that the tenant's spec was last changed by, or that was attempted.",
        {
            "id": parts.text("Its id."),
            "author": parts.text("Who wrote it."),
            "at": parts.maybe(parts.moment("When it was made.")),
            "subject": parts.maybe(parts.text("The first line of its message.")),
        },
    )
    failed = parts.members(
        "What failed last.",
        {
            "code": parts.maybe(parts.text("An error's code; `reconcile explain CODE` tells about it.")),
            "step": parts.maybe(parts.text("The step in which it happened.")),
            "message": parts.text("What happened."),
            "where": parts.maybe(parts.text("A place in a file: file:line:column.")),
        },
    )
    way = parts.members(
        "Something that would unblock the tenant.",
        {"text": parts.text("What it is."), "command": parts.maybe(parts.text("The command to run."))},
    )
    return parts.document(
        "why",
        "What `reconcile why --format json` prints.",
        {
            **_known(),
            "summary": parts.text("Why, in a sentence."),
            "inSync": {"type": "boolean", "description": "Whether nothing is to be done, as far as the store knows."},
            "where": parts.ref("place"),
            "commit": parts.maybe(commit),
            "faults": parts.listed("What is wrong with its spec.", parts.ref("fault")),
            "failed": parts.maybe(failed),
            "failures": parts.count("How many attempts of the daemon failed in a row."),
            "final": {
                "type": "boolean",
                "description": "Whether the daemon waits for another spec, or to be asked, before it tries again.",
            },
            "undone": parts.listed("What was undone of the last attempt.", parts.text("A change, in words.")),
            "leftovers": parts.listed("What could not be undone.", parts.leftover()),
            "hold": parts.maybe(parts.ref("hold")),
            "paused": parts.maybe(parts.ref("hold")),
            "source": parts.listed("What is wrong with where the specs are merged.", parts.ref("condition")),
            "ways": parts.listed("What would unblock it, or else change it.", way),
        },
        {
            "condition": _condition(),
            "transaction": _transaction(),
            "hold": _hold(),
            "place": parts.place(),
            "fault": parts.fault(),
        },
    )


def _known() -> Schema:
    """The members of a tenant in ``status``."""
    return {
        "tenant": parts.text("The tenant's name."),
        "product": parts.text("The product that it is a tenant of; empty if that is not known."),
        "state": {"enum": [state.value for state in TenantState], "description": "What the central system calls it."},
        "revision": parts.maybe(parts.text("From which it was last changed.")),
        "observedGeneration": parts.maybe(parts.text("The id of the spec that the daemon worked on last.")),
        "lastAttemptedRevision": parts.maybe(parts.text("The revision that was tried last.")),
        "lastAppliedRevision": parts.maybe(parts.text("The same as `revision`.")),
        "lastHandledReconcileAt": parts.maybe(
            parts.text("The last `reconciler/requestedAt` that the daemon answered.")
        ),
        "nextAttemptAt": parts.maybe(parts.moment("When the daemon works on it again.")),
        "planDigest": parts.maybe(parts.text("The digest of the plan that the daemon made last.")),
        "conditions": parts.listed("Ready, and others while they hold.", parts.ref("condition")),
        "history": parts.listed("Its last transactions, newest first, three at most.", parts.ref("transaction")),
    }


def _condition() -> Schema:
    return parts.members(
        "One condition.",
        {
            "type": parts.text("Ready, or while it holds Reconciling, Stalled, RollbackFailed, Drifted, Suspended."),
            "status": {"enum": ["True", "False", "Unknown"], "description": "Whether it holds."},
            "reason": parts.text("Why, as a word for programs."),
            "message": parts.text("Why, in words."),
            "observedGeneration": parts.maybe(parts.text("The id of the spec that it was said of.")),
            "lastTransitionTime": parts.maybe(parts.moment("When its status changed last; null if that is not known.")),
        },
    )


def _transaction() -> Schema:
    return parts.members(
        "One transaction.",
        {
            "transaction": parts.text("Its id, for `reconcile show`."),
            "tenant": parts.text("The tenant's name."),
            "action": parts.text("What it meant to do."),
            "outcome": parts.text("How it ended, or where it stands."),
            "actor": parts.text("Who began it."),
            "revision": parts.text("From which revision."),
            "startedAt": parts.moment("When it was begun."),
            "endedAt": parts.maybe(parts.moment("When it ended; null while it is open.")),
            "seconds": parts.maybe({"type": "number", "description": "How long it was open."}),
        },
    )


def _hold() -> Schema:
    return parts.members(
        "Who holds a tenant, or the daemon.",
        {
            "by": parts.text("Who."),
            "reason": parts.text("Why."),
            "until": parts.maybe(parts.moment("Until when; null if until it is released.")),
            "since": parts.maybe(parts.moment("Since when; null for a hold that a spec asks for.")),
            "where": parts.maybe(
                parts.text("The place in the specs that asks for it; null for one by `reconcile pause`.")
            ),
        },
    )
