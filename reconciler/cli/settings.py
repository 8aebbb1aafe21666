"""From a call to the setting that the engine works with: which repository, and which faults may be overlooked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from reconciler import errors
from reconciler.cli import options
from reconciler.engine import setting as settings
from reconciler.ports.ports import Ports
from reconciler.report import styled


@contextmanager
def wanted(call: options.Call, tenants: Collection[str], *, offline: bool = False) -> Iterator[settings.Setting]:
    """The setting of a command that works on tenants: all of them, or ``tenants``; ``offline`` without the store.

    Errors: ``InvalidSpecs``; with ``tenants`` only for faults in their files and in what all tenants stand on.
    """
    with _opened(call, _nothing, tenants, offline=offline) as setting:
        yield setting


@contextmanager
def recorded(call: options.Call) -> Iterator[settings.Setting]:
    """The setting of a command that only needs the platform and its store, whatever is wrong with other specs."""
    with _opened(call, _anything) as setting:
        if setting.faults:
            count = len(setting.faults)
            call.say(
                [
                    styled.line(
                        styled.styled("note: ", styled.Style.UPDATE),
                        f"the specs have {count} fault{'s' * (count != 1)}; `reconcile validate` shows them",
                    )
                ]
            )
        yield setting


@contextmanager
def _opened(
    call: options.Call,
    tolerate: Callable[[errors.Fault], bool],
    tenants: Collection[str] = (),
    *,
    offline: bool = False,
) -> Iterator[settings.Setting]:
    ports = Ports()
    setting = _of_daemon(call, ports, tolerate) if not offline else None
    if setting is None:
        setting = settings.load_setting(call.root, ports, tolerate=tolerate, tenants=tenants, offline=offline)
    try:
        yield setting
    finally:
        if setting.store is not None:
            setting.store.close()


def _of_daemon(call: options.Call, ports: Ports, tolerate: Callable[[errors.Fault], bool]) -> settings.Setting | None:
    """In a folder that only holds the state of a daemon: the setting of what that one trusted last."""
    root = call.root
    if (root / options.SPECS).exists() or not (root / "state/source").is_dir():
        return None
    from reconciler.daemon import git_source

    found = git_source.resting(root, ports.clock)
    if found is None:
        raise errors.SourceFailed(
            f"the daemon that works in {root} has not trusted any revision yet",
            advice="Its log says what keeps it. Without a daemon, name a specs repository: `reconcile -C DIR …`.",
        )
    setting = settings.setting_of(root, ports, found.tree, found.folder, revision=found.revision, tolerate=tolerate)
    setting.commits = found.commits
    return setting


def _nothing(_fault: errors.Fault) -> bool:
    return False


def _anything(_fault: errors.Fault) -> bool:
    return True
