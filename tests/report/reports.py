"""The cases of the golden folders in ``golden/reports``: a plan, or why there is none, in every format for CI.

``python -m tests.report.reports`` writes the folders anew; read what changed before it is committed.
"""

from __future__ import annotations

import base64
import dataclasses
import re
import zlib
from collections.abc import Mapping

import reconciler
from reconciler import errors
from reconciler.cli import formats
from reconciler.model.plan import Action, Blocker, Plan, Report, TenantPlan, Unknown
from tests.report import samples

FILES: Mapping[str, str] = {"markdown": "plan.md", "github": "plan.github.txt", "sarif": "plan.sarif"}
FOLDER = samples.GOLDEN / "reports"

_WIDER = samples.change(
    "accounts",
    "update",
    "grant SELECT, TRIGGER on agenda_clinica_sol to agenda_clinica_sol_app@%",
    resource="grants",
    reason="the product's privileges changed",
    before={"levels": {"database/agenda_clinica_sol/": ["SELECT"]}},
    after={"levels": {"database/agenda_clinica_sol/": ["SELECT", "TRIGGER"]}},
    details=(("agenda_clinica_sol.*", "SELECT", "+TRIGGER"),),
)
_WITHDRAWN = samples.change(
    "values", "delete", "withdraw webhook crm", reason="the spec no longer has it", takes_away=True
)
_SUMMARY = samples.change("values", "update", "change tenant clinica-sol", details=(("plan", "pro", "basic"),))
RISKY = dataclasses.replace(
    samples.PLAN,
    deep=True,
    platform=(),
    tenants=(
        dataclasses.replace(samples.CREATE, changes=(*samples.CREATE.changes, _WIDER)),
        dataclasses.replace(samples.CREATE, tenant="a-quiet", action=Action.UPDATE, changes=(_SUMMARY,), unknown=()),
        dataclasses.replace(
            samples.CREATE, tenant="clinica-sol", action=Action.UPDATE, changes=(_SUMMARY, _WIDER, _WITHDRAWN)
        ),
        dataclasses.replace(
            samples.REPAIR,
            tenant="se-va",
            action=Action.TRASH,
            changes=(samples.change("trash", "trash", "move se-va to the trash", reason="its spec was removed"),),
            where=None,
        ),
        TenantPlan(
            "a-la-deriva",
            "agenda-ia",
            Action.UNCHANGED,
            reports=(Report("extra-table", "the table notes is not the schema's"),),
            where=errors.Where("specs/tenants/a-la-deriva.yaml", 5, 1),
        ),
        TenantPlan(
            "sin-spec",
            "agenda-ia",
            Action.BLOCKED,
            blockers=(Blocker("guard", "tenant sin-spec has no spec any more", "Put the spec back."),),
        ),
    ),
)

_EVIL = (
    "@ana and @org/team, #12, !34, &5, GH-6, o/r#7 | <img src=x> `code` **bold** _em_ ~~no~~ [x](https://evil.example) "
    "www.evil.example <!-- x --> &amp; $\\alpha$ {0}\n\n# heading\r\n::error::x\u2028- item\u202e\x1b[31m\x85%0A: , end"
)
HOSTILE = dataclasses.replace(
    samples.PLAN,
    revision=_EVIL,
    platform=(samples.change(_EVIL, "update", _EVIL, reason=_EVIL, undo=_EVIL),),
    tenants=(
        TenantPlan(
            _EVIL,
            _EVIL,
            Action.BLOCKED,
            changes=(samples.change(_EVIL, _EVIL, _EVIL, reason=_EVIL, undo=_EVIL, details=((_EVIL,) * 3,)),),
            blockers=(Blocker(_EVIL, _EVIL, _EVIL, errors.Where(_EVIL, 1, 2)),),
            unknown=(Unknown(_EVIL, _EVIL),),
            reports=(Report(_EVIL, _EVIL),),
            where=errors.Where(_EVIL, 1, 2),
        ),
        TenantPlan(_EVIL, _EVIL, Action.ORPHANED),
    ),
)

INVALID = errors.InvalidSpecs(
    [
        errors.Fault(
            errors.Where("specs/tenants/clinica-sol.yaml", 12, 3),
            "unknown key plam",
            "unknown-key",
            hint="did you mean plan?",
            quoted="  plam: pro",
            tenant="clinica-sol",
        ),
        errors.Fault(errors.Where(_EVIL, 1), _EVIL, "syntax", hint=_EVIL, quoted="::error::x"),
    ]
)

CASES: Mapping[str, Plan | errors.ReconcileError] = {
    "mixed": samples.PLAN,
    "in-sync": samples.IN_SYNC,
    "risky": RISKY,
    "hostile": HOSTILE,
    "invalid-specs": INVALID,
    "unreachable": errors.ServerUnreachable(
        "server main does not answer", where=errors.Where("specs/servers/main.yaml", 9, 3)
    ),
}


def rendered(case: str, form: str) -> str:
    """A case in a format; the version is left open, so that a release needs no new files, and what is packed is
    unpacked, because another version of zlib packs in another way.
    """
    found = CASES[case]
    text = formats.of_plan(found, form, "") if isinstance(found, Plan) else formats.of_error(found, form, "")
    text = re.sub(r"(?<=<!-- reconciler-review:)\S+", _unpacked, text, count=1)
    return text.replace(f'ersion": "{reconciler.__version__}"', 'ersion": "VERSION"')


def _unpacked(found: re.Match[str]) -> str:
    return zlib.decompress(base64.b64decode(found[0])).decode("utf-8")


if __name__ == "__main__":
    for case in CASES:
        for form, file in FILES.items():
            (FOLDER / case).mkdir(parents=True, exist_ok=True)
            (FOLDER / case / file).write_text(rendered(case, form), encoding="utf-8", newline="")
