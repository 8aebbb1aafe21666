"""The daemon as its users have it: a real git remote, a real MariaDB, a real process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support import merged
from tests.support.merged import Remote, Watch, condition
from tests.support.repository import Repository


@pytest.fixture
def remote(repository: Repository, tmp_path: Path) -> Remote:
    """A remote with the sample products and no tenants."""
    for path in (repository.root / "specs/tenants").iterdir():
        path.unlink()
    merged.platform(repository)
    return Remote(repository, tmp_path / "remote.git")


def agenda(name: str, **more: Any) -> dict[str, Any]:
    admin = {"name": "Ana Ruiz", "email": "ana@example.com"}
    return {"displayName": "Sol", "plan": "pro", "domain": f"{name}.example.com", "admin": admin, **more}


def pos(**more: Any) -> dict[str, Any]:
    return {"displayName": "Lupita", "edition": "standard", "license": {"expires": "2099-12-31"}, **more}


def ready(watch: Watch, *names: str) -> bool:
    found = watch.status()
    return all(name in found and condition(found[name], "Ready").get("status") == "True" for name in names)


def test_one_push_of_everything_makes_what_is_good_and_freezes_what_is_broken(remote: Remote, tmp_path: Path) -> None:
    repository = remote.repository
    for name in ("clinica-sol", "clinica-luna", "clinica-mar"):
        repository.tenant(name, "AgendaTenant", **agenda(name))
    remote.push("three tenants")
    with merged.watching(remote, tmp_path / "home") as watch:
        watch.until(lambda: len(watch.said("ends", result="applied")) == 3, "three tenants are made")
        assert ready(watch, "clinica-sol", "clinica-luna", "clinica-mar")
        watch.until(lambda: watch.ask("/readyz")[0] == 200, "it is ready")

        for name in ("tienda-uno", "tienda-dos", "tienda-tres"):
            repository.tenant(name, "PosTenant", **pos())
        repository.tenant("clinica-sol", "AgendaTenant", **agenda("clinica-sol", displayName="Clínica Sol"))
        (repository.root / "specs/tenants/clinica-luna.yaml").write_text("kind: [AgendaTenant\n")
        (repository.root / "specs/tenants/clinica-mar.yaml").unlink()
        commit = remote.push("three new, one changed, one broken, one gone")
        before = repository.server.records("SELECT * FROM license_manager.tenants WHERE name = 'clinica-luna'")
        assert watch.knock() == 202
        watch.until(lambda: ready(watch, "tienda-uno", "tienda-dos", "tienda-tres"), "the new tenants are made")
        watch.until(
            lambda: repository.rows("tenants", "clinica-sol", "name")[0]["display_name"] == "Clínica Sol",
            "it is changed",
        )

        found = watch.status()
        assert condition(found["clinica-luna"], "Stalled")["reason"] == "BuildFailed"
        assert condition(found["clinica-luna"], "Ready")["status"] == "True"
        assert repository.server.records("SELECT * FROM license_manager.tenants WHERE name = 'clinica-luna'") == before
        assert found["tienda-uno"]["revision"] == f"main@sha1:{commit}"
        # What can't be read may be what is gone: nothing is removed before it is mended.
        assert repository.rows("tenants", "clinica-mar", "name")[0]["state"] == "active"

        repository.tenant("clinica-luna", "AgendaTenant", **agenda("clinica-luna"))
        remote.push("mended")
        watch.knock()
        watch.until(
            lambda: condition(watch.status()["clinica-mar"], "Ready")["reason"] == "Trashed", "it is in the trash"
        )
        watch.until(lambda: not condition(watch.status()["clinica-luna"], "Stalled"), "it is not stalled any more")
        assert watch.end() == 143
        assert watch.said("unforeseen") == watch.said("attempt failed") == []
