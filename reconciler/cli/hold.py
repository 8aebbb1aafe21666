"""``reconcile pause`` and ``reconcile resume``: a tenant, or the whole daemon, is left as it is for a while."""

from __future__ import annotations

import click

from reconciler import errors
from reconciler.cli import manual, options, settings
from reconciler.engine import held
from reconciler.engine.setting import Setting
from reconciler.model.standing import ALL, Hold
from reconciler.ports import process
from reconciler.ports.store import standing
from reconciler.report import styled


def _until(_context: click.Context, parameter: click.Parameter, value: str | None) -> str:
    if value is None:
        return ""
    if not held.is_until(value):
        said = "is neither a day, as in 2027-01-31, nor a moment of RFC 3339, as in 2027-01-31T18:00:00Z"
        raise click.BadParameter(f"{value!r} {said}", param=parameter)
    return held.until(value)


@click.command(
    help=manual.page(
        "Hold TENANT as it is: neither plan nor apply nor the daemon begins anything with it, its removal among that. "
        "Without TENANT the whole daemon begins nothing; a person's apply goes on to work then. What runs is finished "
        "or undone, and what a dead process left open is settled in any case. A hold that is there is replaced. "
        "It stands in the store; the annotation `reconciler/suspend` does the same from git.",
        examples={
            'reconcile pause clinica-sol --reason "audit" --until 2027-01-31': "until the end of that day, UTC",
            'reconcile pause --reason "moving the server"': "the daemon, until `reconcile resume`",
        },
        exits={0: "held"},
        also=(65, 78),
    )
)
@click.argument("tenant", required=False)
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is shown wherever the hold is.")
@click.option(
    "--until",
    callback=_until,
    metavar="WHEN",
    help="A day, of which the end counts, UTC, or a moment of RFC 3339. Default: until it is resumed.",
)
@click.pass_obj
def pause(call: options.Call, tenant: str | None, reason: str, until: str) -> int:
    """Hold; returns the exit status."""
    if not reason.strip():
        raise errors.UsageError("--reason says nothing", advice="Whoever meets the hold has to know why it is there.")
    with settings.recorded(call) as setting:
        store, now = setting.opened(), setting.ports.clock.stamp()
        if tenant is not None:
            _known(setting, tenant)
        hold = Hold(tenant or ALL, process.actor(), reason.strip(), until=until, since=now)
        if not hold.lasts(now):
            raise errors.UsageError(f"--until {until[:19]}Z is over, and it is {now[:19]}Z")
        store.make_tables()  # the store may be of a version without holds
        store.write(lambda connection: standing.hold(connection, hold))
    call.say([styled.line(styled.styled(f"{_what(tenant)}: ", styled.Style.GOOD), f"held {held.words(hold)}")])
    return 0


@click.command(
    help=manual.page(
        "Take back what `reconcile pause` did: of TENANT, or without it of the whole daemon. A hold that a spec asks "
        "for with `reconciler/suspend` stays; it is named.",
        examples={"reconcile resume clinica-sol": "", "reconcile resume": "the daemon"},
        exits={0: "nothing in the store holds it any more"},
        also=(65, 78),
    )
)
@click.argument("tenant", required=False)
@click.pass_obj
def resume(call: options.Call, tenant: str | None) -> int:
    """Let go; returns the exit status."""
    with settings.recorded(call) as setting:
        store = setting.opened()
        released = store.write(lambda connection: standing.release(connection, tenant or ALL))
        if released is None and tenant is not None:
            _known(setting, tenant)
        document = next((entry for entry in setting.specs.tenants if entry.name == tenant), None)
        left = held.held(document, {}, setting.ports.clock.now()) if document else None
    what = styled.styled(f"{_what(tenant)}: ", styled.Style.GOOD)
    said = f"no longer held {held.words(released)}" if released else "nothing in the store held it"
    call.say([styled.line(what, said)])
    if left is not None:
        call.say([styled.line(styled.styled("note: ", styled.Style.UPDATE), f"its spec holds it {held.words(left)}")])
    return 0


def _known(setting: Setting, tenant: str) -> None:
    """A mistyped name would hold nobody, and be believed to. Errors: ``UsageError``."""
    if tenant not in setting.records([tenant]) and all(entry.name != tenant for entry in setting.specs.tenants):
        raise errors.UsageError(
            f"there is no tenant {tenant}, neither in the specs nor on record",
            advice="`reconcile status` lists the tenants on record.",
        )


def _what(tenant: str | None) -> str:
    return f"tenant {tenant}" if tenant else "the daemon"
