"""The same tenant by Ansible's community.mysql: a playbook in which each tenant is a host, as many forks as workers.

The schema is imported where the database was just made, which is what lets a second run be idempotent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks import tenants
from benchmarks.environments import ANSIBLE, Environments
from benchmarks.process import Done, run
from benchmarks.stage import Stage

_MODULE = "community.mysql.mysql_"


def write(folder: Path, stage: Stage, work: Mapping[str, Any], python: str) -> None:
    """Playbook, inventory, settings and the schema as one file."""
    folder.mkdir(exist_ok=True)
    files = sorted((stage.shop.root / tenants.SCHEMA).glob("*.sql"))
    (folder / "schema.sql").write_text("\n".join(path.read_text() for path in files))
    # mysql_user grants USAGE on *.* first, which takes an administrator of the whole server.
    administrator = stage.server.administrator
    login = {"login_unix_socket": administrator["unix_socket"], "login_user": administrator["user"]}
    hosts = {tenant["name"]: _host(tenant) for tenant in work["tenants"]}
    common = {"ansible_connection": "local", "ansible_python_interpreter": python}
    inventory = {"all": {"hosts": hosts, "vars": common}}
    (folder / "inventory.json").write_text(json.dumps(inventory))
    play = {"hosts": "all", "gather_facts": False, "strategy": "free", "tasks": _tasks(login)}
    (folder / "playbook.yml").write_text(yaml.safe_dump([play], sort_keys=False))
    (folder / "ansible.cfg").write_text(
        f"[defaults]\nforks = {work['parallel']}\nstdout_callback = ansible.builtin.minimal\n"
        f"display_skipped_hosts = false\nlocal_tmp = {folder / 'tmp'}\nremote_tmp = {folder / 'tmp'}\n"
        "retry_files_enabled = false\n"
    )


def _host(tenant: Mapping[str, Any]) -> dict[str, Any]:
    ignoring, central = ([_ignoring(text) for text in tenant[name]] for name in ("rows", "central"))
    (own, own_hash), (app, app_hash) = tenant["users"]
    return {
        "database": tenant["database"],
        "level": tenant["database"].replace("_", "\\_"),
        "own": own,
        "own_hash": own_hash,
        "app": app,
        "app_hash": app_hash,
        "rows": ignoring,
        "central": central,
    }


def _ignoring(text: str) -> str:
    """The statement as one that may run again; what stands in double braces in it is not Ansible's."""
    return "{% raw %}" + text.replace("INSERT INTO", "INSERT IGNORE INTO", 1) + "{% endraw %}"


def _tasks(login: Mapping[str, Any]) -> list[dict[str, Any]]:
    def user(name: str, mark: str, rights: str, locked: bool) -> dict[str, Any]:
        return {
            "name": f"{{{{ {name} }}}}",
            "host": "%",
            "plugin": "mysql_native_password",
            "plugin_hash_string": f"{{{{ {mark} }}}}",
            "priv": f"{{{{ level }}}}.*:{rights}",
            "column_case_sensitive": True,
            "locked": locked,
            **login,
        }

    database = {"name": "{{ database }}", "encoding": "utf8mb4", "collation": "utf8mb4_unicode_ci", **login}
    return [
        {f"{_MODULE}db": {**database, "state": "present"}, "register": "made"},
        {f"{_MODULE}user": user("own", "own_hash", "ALL", True)},
        {f"{_MODULE}user": user("app", "app_hash", "DELETE,EXECUTE,INSERT,SELECT,UPDATE", False)},
        {
            f"{_MODULE}db": {**database, "state": "import", "target": "{{ playbook_dir }}/schema.sql"},
            "when": "made.changed",
        },
        {f"{_MODULE}query": {"login_db": "{{ database }}", "query": "{{ rows }}", "single_transaction": True, **login}},
        {f"{_MODULE}query": {"query": "{{ central }}", "single_transaction": True, **login}},
    ]


def play(environments: Environments, folder: Path, timeout: float, *more: str) -> Done:
    """One run of the playbook. Errors: ``Unmeasured``."""
    program = environments.program(ANSIBLE, "ansible-playbook")
    settings = {"ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "ANSIBLE_HOME": str(folder / "home")}
    command = [program, "-i", "inventory.json", "playbook.yml", *more]
    return run(command, folder=folder, timeout=timeout, environment=settings)
