"""``reconcile demo``: the main job from end to end, in a repository and on a server of its own.

Every command runs as a person would run it, in a process of its own, and is shown before its output. What the demo
claims about the server and the files is looked at past the engine (``witness``); anything unexpected ends the demo.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import re
import signal
import subprocess
import textwrap
import time
from pathlib import Path

import click

from reconciler.cli import dev, manual, options, witness
from reconciler.cli.tour import CENTRAL, DELIVERIES, Tour
from reconciler.report.styled import Style

FOLDER = "state/demo"
"""Where all of the demo is, below the repository or the current folder."""

AGENDA, POS, THIRD = "clinica-sol", "abarrotes-lupita", "gimnasio-norte"
SCHEMA = "specs/products/agenda-ia/schema/0008_programs.sql"
_DEVICE = {"machineId": "8f3c1d7a52e94b06a1c47e90d25b6f38", "boardSerial": "PF2K9X1B", "mac": "3c:52:82:af:10:9e"}
_OTHER = {**_DEVICE, "boardSerial": "MB-774120", "machineId": "d2c5e9b81f7a4b0c93e64a1f5d80b7e2"}
_KILL_SECONDS = 60.0
# Of a delivered .env, only these are shown; whatever else is in it may be a secret.
_OPEN = frozenset({"DB_HOST", "DB_PORT", "DB_DATABASE", "DB_USERNAME"})

_TENANT = f"""\
apiVersion: reconciler/v1
kind: AgendaTenant
metadata: {{name: {THIRD}}}
spec:
  displayName: Gimnasio Norte
  plan: starter
  domain: {THIRD}.example.com
  locale: es-MX
  timezone: America/Monterrey
  admin: {{name: Luis Prado, email: luis@example.com}}
"""
_BAD = "\nDELIMITER ;\nINSERT INTO no_such_table (id) VALUES (1);\n"


@click.command(
    help=manual.page(
        f"Show the main job end to end on a private MariaDB.\n\nA fresh repository is made in {FOLDER} of the "
        "repository or the current folder, with a server of its own; nothing else is touched, and an earlier demo is "
        "replaced. It plans, applies, changes, breaks a tenant on purpose, kills an apply, and proves each time what "
        "is there afterwards.",
        examples={
            "reconcile demo": "",
            "reconcile demo --keep": f"and leave the server running, to look around in {FOLDER}",
        },
        exits={0: "everything was as expected", 1: "something was not; the last lines say what"},
        also=(78,),
    )
)
@click.option("--keep", is_flag=True, help="Leave the server running at the end.")
@click.pass_context
def demo(context: click.Context, keep: bool) -> None:
    """Show the main job end to end."""
    call = options.call(context)
    folder = (call.nearest or Path.cwd()).absolute() / FOLDER
    tour = Tour(folder, call)
    began = time.monotonic()
    tour.clear()
    try:
        for stage in STAGES:
            stage(tour)
    except BaseException:
        if not keep:
            tour.server.stop()
        raise
    if keep:
        tour.say(f"The server goes on; `reconcile -C {tour.shown} dev down` stops it.")
    else:
        tour.server.stop()
    tour.say(
        f"Everything was as expected, in {time.monotonic() - began:.0f} s. Look around in {tour.shown}.", Style.GOOD
    )


def _makes_a_repository(tour: Tour) -> None:
    tour.stage(
        "A repository", f"`init` makes a working specs repository, here {tour.shown}: two products, a tenant each."
    )
    tour.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    tour.run("init", tour.folder.name)
    tour.mark()
    # The sample's license would be refused once its last day is over.
    today = datetime.datetime.now(datetime.UTC).date()
    sample = tour.folder / "specs" / "tenants" / f"{POS}.yaml"
    found = re.search(r"expires: (\d{4}-\d{2}-\d{2})", sample.read_text(encoding="utf-8"))
    if found and datetime.date.fromisoformat(found[1]) <= today:
        tour.edit(f"specs/tenants/{POS}.yaml", r"expires: \S+", f"expires: {today.year + 1}-12-31")


def _starts_a_server(tour: Tour) -> None:
    tour.stage("A server", "`dev up` starts a private MariaDB; the spec of the server `main` is pointed at it.")
    tour.run("dev", "up")
    where, file = tour.server.endpoint, "specs/servers/main.yaml"
    tour.edit(file, r"^  port: \d+", f"  port: {where.port}")
    tour.edit(file, r"^  passwordFrom: \{.*\}", f"  passwordFrom: {{file: {dev.FOLDER}/provisioner.password}}")


def _plans(tour: Tour) -> None:
    tour.stage("Plan", "The dry run: everything that would be done for both tenants. Nothing is changed.")
    before = tour.look()
    tour.run("plan")
    tour.prove_equal(before, "the plan")


def _applies(tour: Tour) -> None:
    tour.stage("Apply", "Each tenant is made in a transaction: fully ready, or as if it had never been tried.")
    tour.run("apply", "--yes", planned=True)
    tour.run("status")
    world = tour.look()
    for name in ("agenda_clinica_sol", "pos_abarrotes_lupita", CENTRAL):
        tour.expect(name in world.databases, f"there is no database {name}")


def _delivers(tour: Tour) -> None:
    tour.stage("Deliveries", "What the tenants are handed over: folders 0700, files 0600. Secrets are not shown here.")
    names = set()
    for name, facts in tour.look().delivered_files.items():
        tour.say(f"  {facts.split()[0]}  {DELIVERIES}/{name}")
        tour.expect(facts.startswith("0700" if name.endswith("/") else "0600"), f"{name} has the mode {facts[:4]}")
        names.add(name)
    wanted = {f"{AGENDA}/{file}" for file in (".env", "admin.json", "manifest.json")}
    wanted |= {f"{POS}/{file}" for file in (".env", "license.lic", "device-policy.json", "manifest.json")}
    tour.expect(wanted <= names, f"not delivered: {', '.join(sorted(wanted - names))}")
    tour.say("\n")
    tour.say(f"{DELIVERIES}/{AGENDA}/.env:", Style.FAINT)
    for line in (tour.folder / DELIVERIES / AGENDA / ".env").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition("=")
        tour.say(f"  {key}={value if key in _OPEN else '…'}")
    tour.say("\n")
    tour.say(f"{DELIVERIES}/{POS}/manifest.json:", Style.FAINT)
    tour.say(textwrap.indent((tour.folder / DELIVERIES / POS / "manifest.json").read_text(encoding="utf-8"), "  "))


def _verifies_the_license(tour: Tour) -> None:
    tour.stage(
        "The license", "Judged offline with the public key, as a device does: on its own hardware, and on another."
    )
    file, ring = f"{DELIVERIES}/{POS}/license.lic", "state/keys/license-keys.json"
    (tour.folder / "caja-1.json").write_text(json.dumps(_DEVICE, indent=2) + "\n", encoding="utf-8")
    (tour.folder / "other.json").write_text(json.dumps(_OTHER, indent=2) + "\n", encoding="utf-8")
    tour.run("license", "inspect", file, "--keys", ring)
    tour.run("license", "verify", file, "--keys", ring, "--hardware", "caja-1.json")
    tour.run("license", "verify", file, "--keys", ring, "--hardware", "other.json", ends=3, meaning="not accepted")


def _applies_again(tour: Tour) -> None:
    tour.stage("Apply again", "What is as it should be is left alone: nothing to do, and nothing is touched.")
    before = tour.look()
    tour.run("apply", "--yes")
    tour.prove_equal(before, "the second apply")


def _changes_a_plan(tour: Tour) -> None:
    tour.stage(
        "A change", f"Tenant {AGENDA} moves from the plan pro to business: only what follows from that is changed."
    )
    tour.edit(f"specs/tenants/{AGENDA}.yaml", r"^  plan: pro(?: {5})?", "  plan: business")
    tour.run("plan")
    before = tour.look()
    tour.run("apply", "--yes", planned=True)
    for line in before.difference(tour.look()):
        tour.say(f"  {line}", Style.UPDATE)
    connection = witness.as_root(tour.server)
    with contextlib.closing(connection):
        found = connection.value(f"SELECT plan FROM {CENTRAL}.tenants WHERE name = %s", (AGENDA,))
    tour.expect(found == "business", f"the central system has the plan {found}")


def _rolls_back(tour: Tour) -> None:
    tour.stage(
        "A failure",
        f"A third tenant, and a statement that fails at the end of the product's schema: its database, accounts and "
        f"tables are there by then. Everything is rolled back, and nothing of {THIRD} is left.",
    )
    (tour.folder / "specs" / "tenants" / f"{THIRD}.yaml").write_text(_TENANT, encoding="utf-8")
    with (tour.folder / SCHEMA).open("a", encoding="utf-8") as schema:
        schema.write(_BAD)
    before = tour.look()
    tour.run("apply", "--yes", "--tenant", THIRD, ends=6, planned=True)
    tour.prove_equal(before, "the rollback", named=True)
    tour.run("history", THIRD)
    text = (tour.folder / SCHEMA).read_text(encoding="utf-8")
    (tour.folder / SCHEMA).write_text(text.removesuffix(_BAD), encoding="utf-8")


def _recovers(tour: Tour) -> None:
    tour.stage(
        "A kill", "The same tenant with the schema mended; the process is killed (-9) in the middle of its work."
    )
    before = tour.look()
    process = tour.start("killed.log", "apply", "--yes", "--tenant", THIRD)
    try:
        tour.expect(_half_made(tour, process), "the apply ended before it could be killed")
    finally:
        process.kill()
        process.wait()
    tour.say(f"(killed by signal {signal.SIGKILL.value})\n\n")
    left = before.difference(tour.look())
    tour.say(f"What the dead process left: {len(left)} differences, for example", Style.FAINT)
    for line in left[:3]:
        tour.say(f"  {line}", Style.UPDATE)
    tour.say("\n")
    tour.expect(bool(left), "the killed process left nothing that could be recovered")
    tour.run("recover")
    tour.prove_equal(before, "recover")


def _half_made(tour: Tour, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the tenant's database has tables; False if the process ended before."""
    count = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s"
    deadline = time.monotonic() + _KILL_SECONDS
    with contextlib.closing(witness.as_root(tour.server)) as connection:
        while process.poll() is None and time.monotonic() < deadline:
            if connection.value(count, ("agenda_" + THIRD.replace("-", "_"),)) > 3:
                return True
            time.sleep(0.005)
    return False


def _succeeds(tour: Tour) -> None:
    tour.stage("The same apply", "With nothing in its way the third tenant is made, beside the others.")
    tour.run("apply", "--yes", planned=True)
    tour.run("status")


STAGES = (
    _makes_a_repository,
    _starts_a_server,
    _plans,
    _applies,
    _delivers,
    _verifies_the_license,
    _applies_again,
    _changes_a_plan,
    _rolls_back,
    _recovers,
    _succeeds,
)
"""The demo, in order."""
