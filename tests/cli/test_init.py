from __future__ import annotations

import filecmp
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

Said = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[2]


def test_a_new_repository_is_valid_and_says_what_comes_next(tmp_path: Path, said: Said) -> None:
    status, out, err = said("init", str(tmp_path / "new"))
    assert (status, err) == (0, "")
    for word in ("cd ", "RECONCILE_MAIN_PASSWORD", "reconcile doctor", "reconcile plan", "reconcile apply", "dev up"):
        assert word in out
    assert said("-C", str(tmp_path / "new"), "validate")[0] == 0


@pytest.mark.parametrize("name", ["specs", "schemas"])
def test_a_new_repository_has_what_stands_in_the_sources(name: str, specs: Path) -> None:
    def same(found: filecmp.dircmp[str]) -> bool:
        return not (found.left_only or found.right_only or found.diff_files) and all(map(same, found.subdirs.values()))

    assert same(filecmp.dircmp(ROOT / name, specs / name))


def test_git_is_kept_out_of_the_local_state(specs: Path) -> None:
    assert (specs / ".gitignore").read_text() == "state/\n"


def test_what_git_ignored_before_it_ignores_still(tmp_path: Path, said: Said) -> None:
    (tmp_path / ".gitignore").write_text("*.swp")
    assert said("init", str(tmp_path))[0] == 0
    assert (tmp_path / ".gitignore").read_text() == "*.swp\nstate/\n"


@pytest.mark.parametrize("name", ["specs", "schemas"])
def test_a_folder_with_specs_is_left_alone(name: str, tmp_path: Path, said: Said) -> None:
    (tmp_path / name).mkdir()
    status, _, err = said("init", str(tmp_path))
    assert status == 64
    assert f"already has {name}/" in err
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_repository_can_be_made_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, _ = said("init", ".")
    assert status == 0
    assert "cd " not in out


def test_the_samples_can_be_written_to(specs: Path) -> None:
    for path in (specs / "specs").rglob("*"):
        assert path.stat().st_mode & stat.S_IWUSR


def test_a_file_in_the_way_is_wrong_usage(tmp_path: Path, said: Said) -> None:
    (tmp_path / "file").touch()
    assert said("init", str(tmp_path / "file"))[0] == 64
    assert said("init", str(tmp_path / "file" / "below"))[0] == 1
