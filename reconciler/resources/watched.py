"""A look that writes down what was looked at, so that another run can tell whether all of that is as it was.

What is written down are questions and answers: of the central rows, the accounts, the grants, the folders. Some looks
can't be asked again cheaply, or nobody has thought of them here; whoever takes one makes the whole list worthless,
which is said by ``sound``. So a new kind of look costs time and never truth.
"""

from __future__ import annotations

import dataclasses
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from reconciler.model.server import Server
from reconciler.ports.central import view
from reconciler.ports.files import Files
from reconciler.ports.mysql import anatomy, census
from reconciler.ports.ports import Ports
from reconciler.resources.sight import Sight

Question = tuple[str | tuple[str, ...], ...]

_KEYED: Final = frozenset({"schemas", "accounts", "hosts", "grants_of", "events", "routines", "folds"})
_WHOLE: Final = frozenset({"links", "everybodys", "version", "privileges_of_all"})
_CALLED: Final = frozenset({"reaching"})


class Watched(Sight):
    """One look, through another one; ``begin`` starts a new list. Never a deep one."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight
        super().__init__(
            place=sight.place,
            ports=self._watched_ports(sight.ports),
            connection=self._unwatched(sight.connection),
            central_server=sight.central_server,
            tenants=sight.tenants,
            databases=sight.databases,
            users=sight.users,
            deep=sight.deep,
            transaction=sight.transaction,
        )
        self._rows = _Central(self)
        self._servers: dict[str, _Census] = {}
        self.begin()

    def begin(self) -> None:
        """Start a new list."""
        self.answers: dict[Question, str] = {}
        self.sound = True
        self._listings: dict[Path, Mapping[str, os.stat_result] | None] = {}
        self.rows_once: dict[tuple[str, str], list[view.Row]] = {}

    def census(self, server: Server) -> census.Census:
        """What is on ``server``, watched."""
        if server.name not in self._servers:
            self._servers[server.name] = _Census(self, server.name, self._sight.census(server))
        return self._servers[server.name]

    def anatomy(self, server: Server, database: str) -> anatomy.Anatomy:
        """Not watched."""
        self.sound = False
        return self._sight.anatomy(server, database)

    @property
    def central(self) -> view.CentralView:
        """The central rows, watched."""
        return self._rows

    @property
    def deliveries(self) -> Mapping[str, os.stat_result]:
        """What stands in the delivery folder, watched name by name."""
        return _Keyed(self, ("deliveries",), self._sight.deliveries)

    @property
    def trash(self) -> Mapping[str, os.stat_result]:
        """What stands in the trash, watched name by name."""
        return _Keyed(self, ("trash",), self._sight.trash)

    @property
    def one_file_system(self) -> bool:
        """Not watched."""
        self.sound = False
        return self._sight.one_file_system

    def held(self, server: Server) -> list[tuple[Any, ...]]:
        """Not watched."""
        self.sound = False
        return self._sight.held(server)

    def rows(
        self, server: Server, statement: str, parameters: tuple[object, ...] = (), *, database: str = ""
    ) -> list[tuple[Any, ...]]:
        """Not watched."""
        self.sound = False
        return self._sight.rows(server, statement, parameters, database=database)

    def note(self, question: Question, said: str) -> None:
        """Write down what was told."""
        if self.answers.setdefault(question, said) != said:
            self.sound = False

    def listing(self, folder: Path) -> Mapping[str, os.stat_result] | None:
        """What is in a folder of the deliveries or the trash; looked at once a list."""
        if folder not in self._listings:
            found = self._listings[folder] = self._sight.ports.files.listing(folder)
            where = {self.place.deliveries: "deliveries", self.place.trash: "trash"}.get(folder.parent)
            if where is None:
                self.sound = False
            else:
                self.note(("listing", where, folder.name), _listed(found))
        return self._listings[folder]

    def _watched_ports(self, ports: Ports) -> Ports:
        marked = {field.name: self._unwatched(getattr(ports, field.name)) for field in dataclasses.fields(ports)}
        return dataclasses.replace(ports, **{**marked, "files": _Files(self, ports.files)})

    def _unwatched(self, what: Any) -> Any:
        return _Unwatched(self, what)


def answer(sight: Sight, server: Callable[[str], Server], question: Question) -> str:
    """What ``sight`` tells of a question now. Errors: ``KeyError`` for one that can't be asked; those of the look."""
    if question[0] == "central":  # most questions are
        _, table, tenant = question
        return sight.central_told(str(table), str(tenant))
    match question:
        case ("listing", str(where), str(name)):
            place = sight.place
            shelf = place.deliveries if where == "deliveries" else place.trash
            return _listed(sight.ports.files.listing(shelf / name))
        case ("deliveries", str(name)):
            return told(sight.deliveries.get(name))
        case ("trash", str(name)):
            return told(sight.trash.get(name))
        case ("census", str(name), str(what), key) if what in _KEYED:
            return told(getattr(sight.census(server(name)), what).get(key))
        case ("census", str(name), str(what), key) if what in _CALLED:
            return told(getattr(sight.census(server(name)), what)(key))
        case ("census", str(name), str(what)) if what in _WHOLE:
            return told(getattr(sight.census(server(name)), what))
        case _:
            raise KeyError(question)


def told(value: object) -> str:
    """A value as a text that is the same in every process as long as the value is."""
    match value:
        case None | str() | int():
            return repr(value)
        case os.stat_result():
            return _state(value)
        case list() | tuple():
            return f"[{','.join(map(told, value))}]"
        case frozenset() | set():
            return f"<{','.join(sorted(map(told, value)))}>"
        case dict():
            return f"{{{','.join([f'{told(key)}:{told(held)}' for key, held in value.items()])}}}"
        case _ if dataclasses.is_dataclass(value):
            return f"({','.join([told(getattr(value, field.name)) for field in dataclasses.fields(value)])})"
        case _:
            return repr(value)


def _listed(listing: Mapping[str, os.stat_result] | None) -> str:
    return "none" if listing is None else ";".join([f"{name} {_state(listing[name])}" for name in sorted(listing)])


def _state(found: os.stat_result) -> str:
    mode, whole = found.st_mode, ""
    if stat.S_ISREG(mode):
        whole = f" {found.st_size} {found.st_mtime_ns}"
    return f"{mode} {found.st_ino} {found.st_uid} {found.st_gid}{whole}"


class _Keyed(Mapping[Any, Any]):
    """A mapping that is asked key by key."""

    def __init__(self, watched: Watched, question: Question, held: Mapping[Any, Any]) -> None:
        self._watched, self._question, self._held = watched, question, held

    def __getitem__(self, key: Any) -> Any:
        found = self.get(key)
        return self._held[key] if found is None else found

    def __contains__(self, key: object) -> bool:
        return self.get(key) is not None

    def get(self, key: Any, default: Any = None) -> Any:
        found = self._held.get(key)
        self._watched.note((*self._question, key), told(found))
        return default if found is None else found

    def __iter__(self) -> Iterator[Any]:
        self._watched.sound = False
        return iter(self._held)

    def __len__(self) -> int:
        self._watched.sound = False
        return len(self._held)


class _Central(view.CentralView):
    """The central rows, tenant by tenant."""

    def __init__(self, watched: Watched) -> None:
        object.__setattr__(self, "_watched", watched)

    def rows(self, table: str, tenant: str) -> list[view.Row]:
        watched: Watched = self._watched
        found = watched.rows_once.get((table, tenant))
        if found is None:
            central = watched._sight.central
            found = watched.rows_once[table, tenant] = central.rows(table, tenant)
            watched.note(("central", table, tenant), central.told(table, tenant))
        return found

    @property
    def tables(self) -> Mapping[str, Mapping[str, list[view.Row]]]:
        self._watched.sound = False
        found: Mapping[str, Mapping[str, list[view.Row]]] = self._watched._sight.central.tables
        return found

    _watched: Watched


class _Census(census.Census):
    """What is on a server, question by question."""

    def __init__(self, watched: Watched, server: str, look: census.Census) -> None:
        object.__getattribute__(self, "__dict__").update(_watched=watched, _server=server, _look=look)

    def __getattribute__(self, name: str) -> Any:
        held = object.__getattribute__(self, "__dict__")
        watched, look, question = held["_watched"], held["_look"], ("census", held["_server"], name)
        found = getattr(look, name)
        if name in _KEYED:
            return _Keyed(watched, question, found)
        if name in _WHOLE:
            watched.note(question, told(found))
        elif name in _CALLED:
            return lambda key: _asked(watched, (*question, key), found(key))
        else:
            watched.sound = False
        return found


def _asked(watched: Watched, question: Question, found: Any) -> Any:
    watched.note(question, told(found))
    return found


class _Files:
    """The file system, of which folders are watched, and nothing else."""

    def __init__(self, watched: Watched, files: Files) -> None:
        self._watched, self._files = watched, files
        self.listing = watched.listing

    def __getattr__(self, name: str) -> Any:
        self._watched.sound = False
        return getattr(self._files, name)


class _Unwatched:
    """Something that nobody watches: who uses it makes the list worthless."""

    def __init__(self, watched: Watched, what: Any) -> None:
        self.__dict__.update(_watched=watched, _what=what)

    def __call__(self, *given: Any, **named: Any) -> Any:
        self._watched.sound = False
        return self._what(*given, **named)

    def __getattr__(self, name: str) -> Any:
        self._watched.sound = False
        return getattr(self._what, name)
