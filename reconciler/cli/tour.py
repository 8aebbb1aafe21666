"""Leading somebody through the program: stages with a headline, commands as a person would run them, and proofs.

Each command is a process of its own, shown before its output. Whatever is not as expected ends the tour.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reconciler import errors
from reconciler.cli import dev, manual, options, witness
from reconciler.ports import devserver
from reconciler.report import styled, terminal
from reconciler.report.styled import Style

CENTRAL = "license_manager"
DELIVERIES = "state/deliveries"
_MARK = ".reconcile-demo"
_END_OF_PLAN = "Plan: "
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(slots=True)
class Tour:
    """One run of the demo in ``folder``, which is a repository of its own."""

    folder: Path
    call: options.Call
    _number: int = 0

    @property
    def shown(self) -> str:
        """The folder as a person here would name it."""
        here = Path.cwd()
        return str(self.folder.relative_to(here)) if self.folder.is_relative_to(here) else str(self.folder)

    @property
    def server(self) -> devserver.DevServer:
        """The demo's server."""
        return devserver.DevServer(self.folder / dev.FOLDER)

    def clear(self) -> None:
        """Take an earlier demo away, its server first. Errors: ``UsageError`` if the folder is something else."""
        if not self.folder.exists():
            return
        if not (self.folder / _MARK).exists():
            raise errors.UsageError(
                f"{self.folder} exists and was not made by the demo",
                advice="Move it away, or start the demo elsewhere.",
            )
        self.server.stop()
        shutil.rmtree(self.folder)

    def mark(self) -> None:
        """Say that the folder is the demo's, so that the next one may take it away."""
        (self.folder / _MARK).touch()

    def stage(self, title: str, why: str) -> None:
        """Begin a stage: its number, its name, and in one line what it shows."""
        self._number += 1
        self.call.show(
            [
                styled.EMPTY,
                styled.line(styled.styled(f"── {self._number}. {title} ".ljust(80, "─"), Style.HEADING)),
                *(styled.line(styled.styled(line, Style.FAINT)) for line in textwrap.wrap(why, 100)),
                styled.EMPTY,
            ]
        )

    def say(self, text: str, style: Style = Style.PLAIN) -> None:
        """Print a line or several."""
        self.call.show(styled.line(styled.styled(line, style)) for line in text.splitlines())

    def run(self, *words: str, ends: int = 0, meaning: str = "", planned: bool = False) -> None:
        """Run ``reconcile`` as a person would, show it, and expect it to end with the status ``ends``.

        ``meaning`` says in words what that status is. With ``planned`` the plan that an apply shows first is left out,
        because it, or one like it, was shown before.
        """
        self.say(f"$ reconcile {' '.join(words)}", Style.ADVICE)
        with subprocess.Popen(  # noqa: S603 - this program itself
            self._command(words), cwd=self._place(words), stderr=subprocess.PIPE if planned else None
        ) as process:
            if process.stderr is not None:
                self._without_plan(process.stderr)
        status = process.returncode
        self.expect(status == ends, f"`reconcile {words[0]}` ended with {status} instead of {ends}")
        if ends:
            self.say(f"(exit status {status}: {meaning or manual.EXITS.get(status, '')})", Style.FAINT)
        self.say("\n")

    def start(self, log: str, *words: str) -> subprocess.Popen[bytes]:
        """Start ``reconcile`` without waiting for it; what it prints goes to the file ``log``."""
        self.say(f"$ reconcile {' '.join(words)} > {log} 2>&1 &", Style.ADVICE)
        with (self.folder / log).open("wb") as file:
            return subprocess.Popen(  # noqa: S603 - this program itself
                self._command(words), cwd=self.folder, stdout=file, stderr=subprocess.STDOUT
            )

    def expect(self, holds: bool, otherwise: str) -> None:
        """End the demo unless ``holds``."""
        if not holds:
            raise errors.ReconcileError(
                f"the demo did not go as expected: {otherwise}",
                advice=f"What it left can be looked at in {self.shown}.",
            )

    def edit(self, file: str, pattern: str, replacement: str) -> None:
        """Change one place of a spec, and show the line before and after."""
        path = self.folder / file
        before = path.read_text(encoding="utf-8")
        after, count = re.subn(pattern, replacement, before, count=1, flags=re.MULTILINE)
        self.expect(count == 1, f"{file} has no line like {pattern}")
        path.write_text(after, encoding="utf-8")
        self.say(f"{file}:", Style.FAINT)
        for old, new in zip(before.splitlines(), after.splitlines(), strict=True):
            if old != new:
                self.say(f"  - {old.strip()}", Style.DELETE)
                self.say(f"  + {new.strip()}", Style.CREATE)
        self.say("\n")

    def look(self) -> witness.World:
        """What there is, seen past the engine."""
        return witness.look(self.server, self.folder / DELIVERIES, CENTRAL)

    def prove_equal(self, before: witness.World, what: str, *, named: bool = False) -> None:
        """Show, kind by kind, that the world is as it was ``before``; ``what`` happened since.

        With ``named`` everything that is there is listed by name, but for the many privileges.
        """
        after = self.look()
        rows = [tuple(styled.styled(word, Style.FAINT) for word in ("", "before", "after", ""))]
        for (name, was), (_, found) in zip(before.parts(), after.parts(), strict=True):
            same = was == found
            verdict = styled.styled("the same" if same else "different", Style.GOOD if same else Style.BAD)
            rows.append((*(styled.styled(word, Style.PLAIN) for word in (name, len(was), len(found))), verdict))
        self.call.show(styled.table(rows, indent=2))
        for name, found in after.parts() if named else ():
            if name != "privileges":
                listed = f"{name} after it: {', '.join(sorted(found))}"
                self.say(
                    textwrap.fill(listed, 110, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False),
                    Style.FAINT,
                )
        self.say("\n")
        difference = before.difference(after)
        self.expect(not difference, f"after {what} {'; '.join(difference[:5])}")

    def _without_plan(self, lines: Iterable[bytes]) -> None:
        """Pass on what follows the plan's last line, or all of it if there was no plan."""
        held: list[str] | None = []
        for raw in lines:
            line = raw.decode("utf-8", "replace")
            if held is None:
                terminal.put(line, terminal.stderr())
            elif _ESCAPES.sub("", line).startswith(_END_OF_PLAN):
                held = None
                self.say("(the plan that it shows first is left out here)", Style.FAINT)
            else:
                held.append(line)
        terminal.put("".join(held or ()), terminal.stderr())

    def _place(self, words: tuple[str, ...]) -> Path:
        return self.folder.parent if words[0] == "init" else self.folder

    def _command(self, words: tuple[str, ...]) -> list[str]:
        color = "always" if terminal.colors(terminal.stdout(), self.call.color) else "never"
        return [sys.executable, "-m", "reconciler", "--color", color, *words]
