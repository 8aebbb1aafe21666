"""Tenants that were found to be as they should be, and everything on which that stood, so as not to plan them again.

A plan of a tenant is a function of what is wanted (its spec, the catalogue, the files of the product), of what is on
record, and of what the look at the world answers. Where such a plan had nothing to say at all, its note has a digest
over what was wanted and recorded, the questions that the plan asked of the world, and a digest over the answers.
Another run asks the same questions, and if every answer and the rest is as it was, so is the plan: there is nothing to
do. The world is looked at in any case; what is spared is to think about it.

The revision is no part of it, for it is never a reason for a change. Whatever has changes, blockers, reports or
unknowns is planned anew every time, and so is a deep look, a snapshot, and a product that does not tell what its flow
``reads``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from reconciler import errors
from reconciler.engine import planner
from reconciler.engine.setting import Setting
from reconciler.model import names
from reconciler.model import plan as plans
from reconciler.model.given import Given
from reconciler.model.tenant import Tenant
from reconciler.ports import cache
from reconciler.ports.mysql import census
from reconciler.resources import watched
from reconciler.resources.sight import Sight

NAME: Final = "in-sync"
_APART: Final = frozenset({"root", "spec", "catalogue", "written", "server", "where", "at"})
"""The fields of a tenant that are in its digest, told by something else, or only say where it was written."""


class Memo:
    """The notes of earlier runs, and those of this one."""

    def __init__(self, setting: Setting, sight: Sight, *, whole: bool) -> None:
        self._setting, self._sight, self._whole = setting, sight, whole
        self._used = setting.snapshot is None and setting.store is not None and not sight.deep
        self._before: dict[str, list[str]] = {}
        self._now: dict[str, list[str]] = {}
        self._seen: set[str] = set()
        self._shapes: dict[str, list[Callable[[Mapping[str, str]], watched.Question]]] = {}
        self._words: dict[str, str] = {}
        self._common: dict[str, str | None] = {}
        self._stamp = ""
        if self._used:
            self._watched = watched.Watched(sight)
            self._stamp = cache.program()
            self._fields = [field.name for field in dataclasses.fields(Tenant) if field.name not in _APART]
            self._before = _read(cache.read(setting.root, NAME, self._stamp).decode())

    def recall(self, tenants: Iterable[tuple[Tenant[Any, Any], Given]]) -> None:
        """See of which tenants the notes still hold, so that of the others alone central rows are read."""
        if not self._before:
            return
        rest = [tenant.name for tenant, given in tenants if not self._holds(tenant, given)]
        if len(rest) <= census.NARROW:
            self._sight.rows_of = rest

    def planned(self, tenant: Tenant[Any, Any], given: Given) -> plans.TenantPlan:
        """The plan of a tenant. Errors: as for ``planner.plan_tenant``."""
        if tenant.name in self._now:
            return plans.TenantPlan(tenant.name, tenant.product, plans.Action.UNCHANGED, where=tenant.where)
        product = self._setting.products[tenant.product]
        key = self._key(tenant, given) if self._used else ""
        if not key:
            found, _ = planner.plan_tenant(product, tenant, given, self._sight)
            self._seen.add(tenant.name)
            return found
        self._watched.begin()
        found, _ = planner.plan_tenant(product, tenant, given, self._watched)
        self._seen.add(tenant.name)
        if self._watched.sound and not _says_anything(found):
            own = {said: mark for mark, said in _own(tenant).items()}
            asked = [[_swapped(part, own) for part in question] for question in self._watched.answers]
            shape = json.dumps(asked, separators=(",", ":"))
            shape = self._words.setdefault(shape, shape)  # long, and the same for nearly all
            self._now[tenant.name] = [tenant.name, key, shape, _digest(self._watched.answers.values())]
        return found

    def _holds(self, tenant: Tenant[Any, Any], given: Given) -> bool:
        before = self._before.get(tenant.name)
        if before is None or before[1] != self._key(tenant, given) or self._answers(tenant, before[2]) != before[3]:
            return False
        self._now[tenant.name] = before
        return True

    def save(self, there: Collection[str]) -> None:
        """Keep what is in sync now. Who could not be looked at in this run, or was not meant, stays as it was noted; of
        a run over all tenants only those are left that are ``there``.
        """
        if not self._used:
            return
        kept = self._before.keys() - self._seen
        kept = kept & {*there} if self._whole else kept
        now = {**{name: self._before[name] for name in kept}, **self._now}
        if now != self._before:
            cache.write(self._setting.root, NAME, self._stamp, _written(now.values()))

    def _key(self, tenant: Tenant[Any, Any], given: Given) -> str:
        """A digest over everything but the world; empty where not all of it is known."""
        common = f"{tenant.product} {tenant.server.name} {tenant.server.client_host}"
        if common not in self._common:
            self._common[common] = self._stands_on(tenant)
        if not (shared := self._common[common]) or not tenant.digest or tenant.held is not None:
            return ""
        record = given.record.digest if given.record is not None else "none"
        if not record:
            return ""
        own = [getattr(tenant, name) for name in self._fields]
        return _digest([shared, record, given.today, repr(own)])

    def _stands_on(self, tenant: Tenant[Any, Any]) -> str | None:
        """What tenants of one product on one server have in common."""
        reads = self._setting.products[tenant.product].reads(tenant.root, tenant.catalogue)
        if reads is None:
            return None
        place = dataclasses.asdict(self._setting.place)
        return _digest([reads, planner.catalogue_digest(tenant), repr(tenant.server), repr(place), str(tenant.root)])

    def _answers(self, tenant: Tenant[Any, Any], shape: str) -> str:
        """A digest over what the world answers now; empty where it does not."""
        own = _own(tenant)
        try:
            if shape not in self._shapes:
                self._shapes[shape] = [_form(question) for question in json.loads(shape)]
            sight, server, answer = self._sight, self._setting.servers.__getitem__, watched.answer
            return _digest([answer(sight, server, form(own)) for form in self._shapes[shape]])
        except (errors.ReconcileError, census.Unseen, KeyError, ValueError, TypeError):
            return ""


def _written(notes: Iterable[list[str]]) -> Iterator[bytes]:
    """The notes as a file keeps them, each form of questions once: a line ``\\t form``, and a line a note behind it."""
    forms: dict[str, list[list[str]]] = {}
    for entry in notes:
        forms.setdefault(entry[2], []).append(entry)
    for shape, entries in forms.items():
        yield f"\t{shape}\n".encode()
        for name, key, _, answers in entries:
            yield f"{name}\t{key}\t{answers}\n".encode()


def _read(text: str) -> dict[str, list[str]]:
    found, shape = {}, ""
    for line in text.split("\n"):
        fields = line.split("\t")
        if len(fields) == 2 and not fields[0]:
            shape = fields[1]
        elif len(fields) == 3 and shape:
            name, key, answers = fields
            found[name] = [name, key, shape, answers]
    return found


def _says_anything(found: plans.TenantPlan) -> bool:
    said = (found.changes, found.blockers, found.unknown, found.reports, found.differing)
    return found.action is not plans.Action.UNCHANGED or any(said)


def _own(tenant: Tenant[Any, Any]) -> dict[str, str]:
    """Marks for the names that are a tenant's own, so that tenants of one form ask in the same words."""
    found = {"\0tenant": tenant.name}
    for mark, database in (("\0database", tenant.database), ("\0former", tenant.former)):
        if database:
            found |= {mark: database, f"{mark} own": names.owner(database), f"{mark} app": names.application(database)}
    return found


def _swapped(part: Any, words: Mapping[str, str]) -> Any:
    return words.get(part, part) if isinstance(part, str) else tuple(words.get(one, one) for one in part)


def _form(question: list[Any]) -> Callable[[Mapping[str, str]], watched.Question]:
    """A question with marks, as a function of whose it is."""
    parts = tuple(tuple(part) if isinstance(part, list) else part for part in question)
    words = [part for part in parts if isinstance(part, str)]
    if len(words) < len(parts):
        return lambda own: tuple([_swapped(part, own) for part in parts])
    if not any(word.startswith("\0") for word in words):
        return lambda own: parts
    return lambda own: tuple([own.get(word, word) for word in words])


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
