#!/usr/bin/env python3
"""Make the provisioning account that the specs name, with the grants that ``reconcile doctor`` asks for, and no others.

For a new server, as its administrator; run again it sets the password and grants what is missing. The environment says
where everything is: RECONCILE_GIT and RECONCILE_BRANCH, or RECONCILE_PATH; RECONCILE_SERVER, the name of the
DatabaseServer; ADMIN_HOST, ADMIN_PORT, ADMIN_USER; ADMIN_PASSWORD_FILE and ACCOUNT_PASSWORD_FILE.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pymysql

from reconciler.ports.secrets import native_hash

_ACCOUNT = re.compile(r" TO ('(?:[^'\\]|\\.|'')*'@'(?:[^'\\]|\\.|'')*')")


def main() -> None:
    """Ask, then make."""
    said = os.environ
    with tempfile.TemporaryDirectory() as folder:
        statements = grants(specs(said, Path(folder)), said.get("RECONCILE_SERVER", "main"))
    found = _ACCOUNT.search(statements[0])
    if found is None:
        sys.exit(f"no account is named by {statements[0]}")
    administrator = pymysql.connect(
        host=said.get("ADMIN_HOST", "mariadb"),
        port=int(said.get("ADMIN_PORT", "3306")),
        user=said.get("ADMIN_USER", "root"),
        password=password(said["ADMIN_PASSWORD_FILE"]),
        charset="utf8mb4",
        autocommit=True,
    )
    with administrator, administrator.cursor() as cursor:
        # By its hash, because a password in a statement stands in clear in a general log.
        way = f"IDENTIFIED VIA mysql_native_password USING '{native_hash(password(said['ACCOUNT_PASSWORD_FILE']))}'"
        cursor.execute(f"CREATE USER IF NOT EXISTS {found[1]} {way}")
        cursor.execute(f"ALTER USER {found[1]} {way}")
        for statement in statements:
            cursor.execute(statement.rstrip(";"))
    sys.stdout.write(f"{found[1]} is ready: {len(statements)} grants\n")


def specs(said: os._Environ[str], folder: Path) -> Path:
    """The specs repository, cloned unless it is a folder."""
    if "RECONCILE_PATH" in said:
        return Path(said["RECONCILE_PATH"])
    branch = ["--branch", said.get("RECONCILE_BRANCH", "main")]
    clone = ["git", "clone", "--quiet", "--depth", "1", *branch, "--", said["RECONCILE_GIT"], str(folder / "specs")]
    subprocess.run(clone, check=True, stdin=subprocess.DEVNULL)  # noqa: S603 - no shell, fixed program
    return folder / "specs"


def grants(root: Path, server: str) -> list[str]:
    """What the doctor prints for a provisioning account; that it can't log in yet is why this is run."""
    call = ["reconcile", "-C", str(root), "doctor", "--format", "json"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)  # noqa: S603 - no shell, fixed program
    for found in json.loads(done.stdout or '{"grants": []}')["grants"]:
        if found["server"] == server:
            return list(found["provisioning"])
    sys.exit(f"`reconcile doctor` names no grants for server {server}:\n{done.stdout}{done.stderr}")


def password(file: str) -> str:
    """One newline at the end is not part of it, as in the specs."""
    return Path(file).read_text(encoding="utf-8").rstrip("\r\n")


if __name__ == "__main__":
    main()
