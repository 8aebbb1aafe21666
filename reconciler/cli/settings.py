"""From a call to the setting that the engine works with: which repository, and which faults may be overlooked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from reconciler import errors
from reconciler.cli import options
from reconciler.engine import setting as settings
from reconciler.engine import specs
from reconciler.ports.ports import Ports
from reconciler.report import styled


@contextmanager
def wanted(call: options.Call, tenants: Collection[str], *, offline: bool = False) -> Iterator[settings.Setting]:
    """The setting of a command that works on tenants: all of them, or ``tenants``; ``offline`` without the store.

    Errors: ``InvalidSpecs``; with ``tenants`` only for faults in their files and in what all tenants stand on.
    """
    tolerate: Callable[[errors.Fault], bool] = _nothing
    if tenants:
        tree, _ = specs.check(call.root)
        tolerate = lambda fault: specs.harmless(tree, fault, tenants)  # noqa: E731
    with _opened(call, tolerate, offline=offline) as setting:
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
    call: options.Call, tolerate: Callable[[errors.Fault], bool], *, offline: bool = False
) -> Iterator[settings.Setting]:
    setting = settings.load_setting(call.root, Ports(), tolerate=tolerate, offline=offline)
    try:
        yield setting
    finally:
        if setting.store is not None:
            setting.store.close()


def _nothing(_fault: errors.Fault) -> bool:
    return False


def _anything(_fault: errors.Fault) -> bool:
    return True
