"""``reconcile license``: what it prints and how it ends, offline, for good files and for any bytes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler import cli
from reconciler.cli import license as commands
from reconciler.engine import keyring
from reconciler.licensing import codes, keys, revocation
from tests.licensing import samples

ROOT = Path(__file__).parents[2]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the sample license, its ring and its devices, outside of any repository."""
    (tmp_path / "a.lic").write_bytes(samples.LICENSE)
    (tmp_path / "ring.json").write_bytes(samples.RING.encode())
    (tmp_path / "key.pem").write_text(keys.pem(samples.KEY.public))
    (tmp_path / "other.pem").write_text(keys.pem(samples.OTHER_KEY.public))
    (tmp_path / "caja-1.json").write_text(json.dumps(dict(samples.CAJA_1)))
    (tmp_path / "stranger.json").write_text(json.dumps(dict(samples.STRANGER)))
    (tmp_path / "listed.rev").write_bytes(revocation.sign(samples.LISTED, samples.KEY.seed))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def repository(desk: Path) -> Path:
    """A repository, with nothing in it but its platform's spec and its key ring, kept in a folder of its own."""
    (desk / "specs").mkdir()
    text = (ROOT / "specs" / "platform.yaml").read_text()
    assert "directory: state/keys" in text
    (desk / "specs" / "platform.yaml").write_text(text.replace("directory: state/keys", "directory: state/my keys"))
    (desk / "state" / "my keys").mkdir(parents=True)
    (desk / "state" / "my keys" / "license-keys.json").write_bytes(samples.RING.encode())
    return desk


class Answer:
    """How a call ended and what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *words: str) -> None:
        self.status = cli.main(["license", *words])
        printed = capsys.readouterr()
        self.out, self.err = printed.out, printed.err

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


JUDGED = ("--keys", "ring.json", "--at", "2027-06-01")


def test_a_good_license_is_valid_and_ends_with_0(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = Answer(capsys, "verify", "a.lic", *JUDGED)
    assert (answer.status, answer.err) == (0, "")
    first, second = answer.out.splitlines()
    assert first == "VALID"
    assert "LIC-7Q2M-0001" in second
    assert "not checked" in second


def test_a_license_on_its_device_shows_each_component(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = Answer(capsys, "verify", "a.lic", *JUDGED, "--hardware", "caja-1.json")
    assert answer.status == 0
    assert "4 of 4 match" in answer.out
    assert "boardSerial  matches (required)" in answer.out.splitlines()


def test_a_replaced_board_is_explained(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = {**samples.CAJA_1, "boardSerial": "PF0 0000 1", "mac": ""}
    (desk / "changed.json").write_text(json.dumps(changed))
    answer = Answer(capsys, "verify", "a.lic", *JUDGED, "--hardware", "changed.json")
    assert answer.status == 3
    assert answer.out.startswith("HARDWARE_MISMATCH\n")
    assert "2 of 4 match; boardSerial is required and differs" in answer.out
    assert "mac          is not enrolled or not there" in answer.out.splitlines()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("DEVICE_NOT_AUTHORIZED", ["--keys", "ring.json", "--at", "2027-06-01", "--hardware", "stranger.json"]),
        ("IN_GRACE", ["--keys", "ring.json", "--at", "2028-01-01T12:00:00Z"]),
        ("EXPIRED", ["--keys", "ring.json", "--at", "2028-01-15"]),
        ("NOT_YET_VALID", ["--keys", "ring.json", "--at", "2026-11-02T23:00:00Z"]),
        ("CLOCK_TAMPERED", ["--keys", "ring.json", "--at", "2026-10-01"]),
        ("UNKNOWN_KEY", ["--keys", "other.pem", "--at", "2027-06-01"]),
        ("VALID", ["--keys", "key.pem", "--at", "2027-06-01T12:00:00+02:00"]),
        ("VALID", ["--keys", "ring.json", "--at", "2027-06-01", "--revoked", "listed.rev"]),
    ],
)
def test_every_circumstance_has_its_code(
    desk: Path, capsys: pytest.CaptureFixture[str], code: str, words: list[str]
) -> None:
    answer = Answer(capsys, "verify", "a.lic", *words)
    assert answer.out.splitlines()[0] == code
    assert answer.status == codes.Code(code).exit
    as_data = Answer(capsys, "verify", "a.lic", *words, "--format", "json")
    assert (as_data.data["code"], as_data.status) == (code, answer.status)
    assert as_data.data["acceptable"] is (answer.status == 0)


def test_a_list_that_names_the_license_revokes_it(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "old.lic").write_bytes(samples.licensed(seq=3))
    answer = Answer(capsys, "verify", "old.lic", *JUDGED, "--revoked", "listed.rev")
    assert (answer.status, answer.out.splitlines()[0]) == (3, "REVOKED")


def test_a_list_that_nobody_vouches_for_is_refused_by_name(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "forged.rev").write_bytes(
        revocation.sign(
            revocation.RevocationList(1, samples.LISTED.issued, samples.OTHER_KEY.kid), samples.OTHER_KEY.seed
        )
    )
    answer = Answer(capsys, "verify", "a.lic", *JUDGED, "--revoked", "forged.rev")
    assert (answer.status, answer.out) == (3, "")
    assert "forged.rev: UNKNOWN_KEY" in answer.err


def test_json_holds_the_match_and_neither_salt_nor_digest(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = Answer(capsys, "verify", "a.lic", *JUDGED, "--hardware", "caja-1.json", "--format", "json")
    assert answer.data["formatVersion"] == 1
    assert answer.data["at"] == "2027-06-01T00:00:00Z"
    assert answer.data["match"]["device"] == "caja-1"
    assert answer.data["license"]["devices"][0] == {
        "name": "caja-1",
        "components": ["boardSerial", "diskSerial", "mac", "machineId"],
    }
    digests = [digest for device in samples.TERMS.devices for digest in device.hardware.values()]
    shown = answer.out + Answer(capsys, "inspect", "a.lic", "--format", "json").out
    assert not [secret for secret in (samples.SALT, *digests) if secret in shown]


def test_inspect_shows_the_terms_and_says_that_it_had_no_key(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = Answer(capsys, "inspect", "a.lic")
    assert (answer.status, answer.err) == (0, "")
    assert "abarrotes-lupita" in answer.out
    assert "2 of 4 must match" in answer.out
    assert f"key {samples.KEY.kid}: not checked" in answer.out
    assert Answer(capsys, "inspect", "a.lic", "--format", "json").data["signature"] == "not checked"


def test_inspect_checks_the_signature_with_a_key(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ": good\n" in Answer(capsys, "inspect", "a.lic", "--keys", "ring.json").out
    foreign = Answer(capsys, "inspect", "a.lic", "--keys", "other.pem")
    assert (foreign.status, foreign.out.splitlines()[0]) == (3, "UNKNOWN_KEY")
    assert "What the file claims:" in foreign.out
    assert "abarrotes-lupita" in foreign.out
    as_data = Answer(capsys, "inspect", "a.lic", "--keys", "other.pem", "--format", "json")
    assert (as_data.status, as_data.data["code"], as_data.data["signature"]) == (3, "UNKNOWN_KEY", "rejected")


def test_a_forged_license_is_told_by_its_signature(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = samples.envelope_text(samples.LICENSE)
    at = text.index(b'"sig":"') + len(b'"sig":"')
    other = b"A" if text[at : at + 1] != b"A" else b"B"
    (desk / "forged.lic").write_bytes(samples.rearmored(text[:at] + other + text[at + 1 :]))
    for command in ("inspect", "verify"):
        answer = Answer(capsys, command, "forged.lic", "--keys", "ring.json")
        assert (answer.status, answer.out.splitlines()[0]) == (3, "BAD_SIGNATURE")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.one_of(
        st.binary(max_size=400),
        st.text(max_size=200).map(lambda text: samples.rearmored(text.encode("utf-8", "replace"))),
        st.integers(0, len(samples.LICENSE) - 1).map(
            lambda at: samples.LICENSE[:at] + bytes([samples.LICENSE[at] ^ 1]) + samples.LICENSE[at + 1 :]
        ),
    )
)
def test_any_bytes_get_a_code_and_never_a_traceback(
    desk: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    (desk / "any.lic").write_bytes(content)
    for command in ("inspect", "verify"):
        answer = Answer(capsys, command, "any.lic", "--keys", "ring.json")
        assert answer.status == 3
        assert answer.out.splitlines()[0] in list(codes.Code)
        assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[" * 5000, b'{"mac": 1}', b"null", b'{"mac": "a", "mac": "b"}']
)
def test_a_hardware_file_that_is_none_is_refused_by_name(
    desk: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    (desk / "bad.json").write_bytes(content)
    answer = Answer(capsys, "verify", "a.lic", *JUDGED, "--hardware", "bad.json")
    assert (answer.status, answer.out) == (3, "")
    assert "bad.json: " in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\xff\xfe", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", b"-----BEGIN"]
)
def test_a_ring_that_is_none_is_a_wrong_configuration(
    desk: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    (desk / "bad.ring").write_bytes(content)
    answer = Answer(capsys, "verify", "a.lic", "--keys", "bad.ring")
    assert (answer.status, answer.out) == (78, "")
    assert "bad.ring: " in answer.err
    assert "--keys" in answer.err


@pytest.mark.parametrize("option", ["FILE", "--keys", "--hardware", "--revoked"])
@pytest.mark.parametrize("what", ["missing", "folder"])
def test_a_file_that_cant_be_read_is_a_wrong_call(
    desk: Path, capsys: pytest.CaptureFixture[str], option: str, what: str
) -> None:
    (desk / "folder").mkdir()
    words = {"FILE": "a.lic", "--keys": "ring.json", "--hardware": "caja-1.json", "--revoked": "listed.rev"}
    words[option] = what
    answer = Answer(capsys, "verify", words.pop("FILE"), *(word for pair in words.items() for word in pair))
    assert (answer.status, answer.out) == (64, "")
    assert f"{what} can't be read" in answer.err


@pytest.mark.parametrize(
    "time", ["", "tomorrow", "2027-13-01", "0001-01-01T00:00:00+14:00", "9999-12-31", "1999-12-31"]
)
def test_a_time_that_is_none_is_a_wrong_call(desk: Path, capsys: pytest.CaptureFixture[str], time: str) -> None:
    answer = Answer(capsys, "verify", "a.lic", "--keys", "ring.json", "--at", time)
    assert (answer.status, answer.out) == (64, "")
    assert "--at" in answer.err


def test_verify_without_any_key_ring_says_how_to_give_one(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = Answer(capsys, "verify", "a.lic")
    assert (answer.status, answer.out) == (64, "")
    assert "--keys" in answer.err


def test_in_a_repository_its_own_ring_is_taken(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = Answer(capsys, "verify", "a.lic", "--at", "2027-06-01")
    assert (answer.status, answer.out.splitlines()[0]) == (0, "VALID")
    assert ": good\n" in Answer(capsys, "inspect", "a.lic").out


def test_the_repository_may_be_named(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    license_file = str(repository / "a.lic")
    assert cli.main(["-C", str(repository), "license", "verify", license_file, "--at", "2027-06-01"]) == 0
    assert cli.main(["license", "verify", license_file, "--at", "2027-06-01"]) == 64


def test_a_platform_that_says_no_keys_folder_is_shown_with_its_faults(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "specs" / "platform.yaml").write_text("apiVersion: reconciler/v1\nkind: Platform\nspec: {kees: 1}\n")
    answer = Answer(capsys, "verify", "a.lic")
    assert (answer.status, answer.out) == (65, "")
    assert "specs/platform.yaml:3" in answer.err


def test_a_repository_without_keys_yet_has_no_ring(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(repository / "state")
    assert Answer(capsys, "verify", "a.lic").status == 64
    assert "not checked" in Answer(capsys, "inspect", "a.lic").out


def test_the_ring_is_looked_for_where_the_engine_writes_it() -> None:
    assert keyring.RING == commands.RING


def test_neither_a_database_driver_nor_the_store_is_loaded(repository: Path) -> None:
    code = (
        "import sys; from reconciler import cli; status = cli.main(sys.argv[1:]); "
        "loaded = {name.split('.')[0] for name in sys.modules} & {'pymysql', 'sqlalchemy', 'alembic', 'watchfiles'}; "
        "print(status, sorted(loaded), 'reconciler.engine' in sys.modules)"
    )
    for command in (["verify", "a.lic", "--at", "2027-06-01"], ["inspect", "a.lic"]):
        made = subprocess.run(
            [sys.executable, "-c", code, "license", *command],
            cwd=repository,
            capture_output=True,
            text=True,
            check=True,
        )
        assert made.stdout.splitlines()[-1] == "0 [] False"
