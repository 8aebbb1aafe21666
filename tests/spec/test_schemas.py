import json
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.spec import platform, schemas
from reconciler.spec.kind import Kind
from tests.spec import sample

ROOT = Path(__file__).parents[2]


def test_files_are_named_after_their_kinds() -> None:
    assert [schemas.file_name(kind) for kind in sample.KINDS] == [
        "platform.schema.json",
        "database-server.schema.json",
        "shop-product.schema.json",
        "shop-tenant.schema.json",
    ]


def test_only_what_differs_is_written(tmp_path: Path) -> None:
    assert schemas.write(sample.KINDS, tmp_path / "new") == [schemas.file_name(kind) for kind in sample.KINDS]
    assert schemas.write(sample.KINDS, tmp_path / "new") == []
    (tmp_path / "new/platform.schema.json").write_text("{}")
    assert schemas.write(sample.KINDS, tmp_path / "new") == ["platform.schema.json"]


def test_missing_changed_and_left_over_files_are_stale(tmp_path: Path) -> None:
    schemas.write(sample.KINDS, tmp_path)
    assert schemas.stale(sample.KINDS, tmp_path) == []
    (tmp_path / "platform.schema.json").unlink()
    (tmp_path / "shop-tenant.schema.json").write_text("{}")
    (tmp_path / "gone.schema.json").write_text("{}")
    assert schemas.stale(sample.KINDS, tmp_path) == [
        "gone.schema.json",
        "platform.schema.json",
        "shop-tenant.schema.json",
    ]


@pytest.mark.parametrize("kind", platform.KINDS, ids=lambda kind: kind.name)
def test_the_repositorys_own_schemas_are_fresh(kind: Kind) -> None:
    assert (ROOT / "schemas" / schemas.file_name(kind)).read_text(encoding="utf-8") == schemas.text(kind)


def test_the_module_writes_the_platforms_schemas(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "reconciler.spec.schemas"]
    done = subprocess.run([*command, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["platform.schema.json", "database-server.schema.json"]
    assert json.loads((tmp_path / "platform.schema.json").read_text())["title"] == "Platform"
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 64
