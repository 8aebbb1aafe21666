"""A document whose ``console`` blocks are run one after the other, and compared with what they say was printed.

In a block a line that begins with ``$ `` is a command (a ``> `` goes on with it), and what follows is its output,
stdout and stderr together. All blocks share one shell, so ``cd`` and ``export`` last. A command that fails has to be
followed by ``$ echo $?``. Blocks of any other language are not run.
"""

from __future__ import annotations

import getpass
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

WRITE = "RECONCILE_WRITE_DOCS"
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_STATUS = "$ echo $?"

# What differs from run to run, as (pattern, what stands for it when two outputs are compared).
_VARYING = (
    (r"sha256:[0-9a-f]{12,64}", "sha256:DIGEST"),
    (r"\b[0-9a-f]{64}\b", "DIGEST"),
    (r"\b[0-9a-f]{32}\b", "ID"),
    (r"\b[0-9a-f]{8}\b", "ID"),
    (r"(?<=→ )[0-9a-f]{12}$", "DIGEST"),
    (r"\b20\d\d-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?Z", "TIME"),
    (r"\b\d+\.\d+ s\b", "SECONDS"),
    (r"\b\d+\.\d+ +(?=specs@)", "SECONDS "),
    (r"\b\d+\.\d+\.\d+-MariaDB\S*(?: from Debian)?", "VERSION"),
    (r"\bPython \d+\.\d+\.\d+", "PYTHON"),
    (r"\bAG(?:-[0-9A-F]{4}){5}\b", "SERIAL"),
)


@dataclass(frozen=True)
class Command:
    """One command of a document, and the output that the document shows."""

    text: str
    shown: str


def blocks(document: str) -> list[list[Command]]:
    """The commands of every block."""
    return [_commands(found[1]) for found in _BLOCK.finditer(document)]


def rewritten(document: str, outputs: list[list[str]]) -> str:
    """The document with ``outputs`` in place of what it showed."""
    fresh = iter(
        "```console\n" + "".join(_block(commands, printed)) + "```"
        for commands, printed in zip(blocks(document), outputs, strict=True)
    )
    return _BLOCK.sub(lambda _: next(fresh), document)


def alike(text: str) -> str:
    """What of an output has to be the same in every run."""
    for pattern, word in _VARYING:
        text = re.sub(pattern, word, text, flags=re.MULTILINE)
    return text


class Shell:
    """One bash that runs every command of a document. Its output is told as on a machine that is nobody's.

    ``names`` are texts of this run and what the document says for them, as a port or a folder.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], names: Mapping[str, str]) -> None:
        programs = folder / "bin"
        programs.mkdir()
        reconcile = programs / "reconcile"
        reconcile.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m reconciler "$@"\n')
        reconcile.chmod(0o755)
        work = folder / "work"
        work.mkdir()
        self._asked = {told: real for real, told in names.items()}
        self._told = {**names, str(work): "/srv", f"{getpass.getuser()}@{socket.gethostname()}": "ana@ops"}
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=work,
            env={**environment, "PATH": f"{programs}:{environment['PATH']}", "LOGNAME": getpass.getuser()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._last = 0

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self._bash.kill()
        self._bash.communicate()

    def run(self, command: str) -> tuple[str, int]:
        """What the command printed, and its exit status."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        for told, real in self._asked.items():
            command = command.replace(told, real)
        self._bash.stdin.write(
            f"(exit {self._last})\n{{ {command}\n}} </dev/null\nstatus=$?; printf '\\n\\001%d\\n' $status\n"
        )
        self._bash.stdin.flush()
        printed: list[str] = []
        while not (line := self._bash.stdout.readline()).startswith("\1"):
            assert line, f"the shell ended in {command!r}: {''.join(printed)}"
            printed.append(line)
        self._last = int(line[1:])
        text = "".join(printed)[:-1]
        for real, told in self._told.items():
            text = text.replace(real, told)
        return text, self._last


def walked(document: str, shell: Shell) -> list[list[str]]:
    """Run everything; returns what each command printed. A command that fails unannounced is an AssertionError."""
    outputs = []
    for commands in blocks(document):
        printed = []
        for command, after in zip(commands, [*commands[1:], None], strict=True):
            text, status = shell.run(command.text)
            announced = after is not None and f"$ {after.text}" == _STATUS
            assert status == 0 or announced, f"`{command.text}` ended with {status}:\n{text}"
            printed.append("".join(f"{line.rstrip()}\n" for line in text.splitlines()))
        outputs.append(printed)
    return outputs


def _commands(block: str) -> list[Command]:
    found: list[Command] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append(Command(line[2:], ""))
        elif line.startswith("> ") and not found[-1].shown:
            found[-1] = Command(f"{found[-1].text}\n{line[2:]}", "")
        else:
            found[-1] = Command(found[-1].text, f"{found[-1].shown}{line}\n")
    return found


def _block(commands: list[Command], printed: list[str]) -> list[str]:
    parts = []
    for command, text in zip(commands, printed, strict=True):
        parts.append("$ " + command.text.replace("\n", "\n> ") + "\n")
        parts.append("".join(f"{line.rstrip()}\n" for line in text.splitlines()))
    return parts
