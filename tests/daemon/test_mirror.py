"""The mirror alone: addresses, credentials, limits, and the program git as it is run."""

from __future__ import annotations

import base64
import functools
import http.server
import os
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler import errors
from reconciler.ports import gitprocess, mirror
from reconciler.ports.mirror import Mirror
from reconciler.ports.objects import MirrorBroken
from reconciler.ports.remote import Remote
from tests.daemon.upstream import Upstream

SECRET = "canary-9f3a%40"


@pytest.fixture
def up(tmp_path: Path) -> Upstream:
    return Upstream.filled(tmp_path / "up", "acme")


def mirrored(tmp_path: Path, url: str, branch: str = "main") -> Mirror:
    return Mirror(tmp_path / "source", Remote.parse(url, branch))


def fake_git(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A git of which `fetch` is ``script``; everything else is the real one."""
    real = subprocess.check_output(["sh", "-c", "command -v git"], text=True).strip()
    folder.mkdir()
    place = folder / "git"
    place.write_text(f'#!/bin/sh\ncase " $* " in *" fetch "*)\n{script}\n;; *) exec {real} "$@" ;; esac\n')
    place.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


# --- addresses ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["--upload-pack=touch x", "-x", "", "https://host/a\nb", "host:a\x00b"])
def test_what_git_would_misread_is_no_address(url: str) -> None:
    with pytest.raises(errors.UsageError):
        Remote.parse(url, "main")


@pytest.mark.parametrize(
    "branch",
    [
        *("", "-x", "a b", "a..b", "a:b", "a^", "a~1", "*", "a?", "[a", "a\\b", "/a", "a/", "a//b", ".a", "a/.b", "a."),
        *("a.lock", "a.lock/b", "a@{1}", "@", "a\n"),
    ],
)
def test_what_git_would_not_take_is_no_branch(branch: str) -> None:
    with pytest.raises(errors.UsageError):
        Remote.parse("https://host/a", branch)


@pytest.mark.parametrize("branch", ["main", "release/2027", "a-b", "a.b", "feature/é", "a@b", "x{y}"])
def test_branches_that_git_takes_are_taken(branch: str) -> None:
    assert subprocess.run(["git", "check-ref-format", f"refs/heads/{branch}"], check=False).returncode == 0
    assert Remote.parse("https://host/a", branch).branch == branch


@pytest.mark.parametrize("url", ["ext::sh -c touch% {ran}", "fd::17", "foo::bar"])
def test_a_transport_that_runs_programs_is_refused(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "ext:fd:foo")
    ran = tmp_path / "ran"
    with pytest.raises(errors.SourceFailed):
        mirrored(tmp_path, url.format(ran=ran)).fetch()
    assert not ran.exists()


def test_a_relative_folder_is_found_from_where_the_program_was_started(
    tmp_path: Path, up: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(up.root.parent)
    assert mirrored(tmp_path, "up").fetch() == up.tip
    assert Remote.parse("host:up", "main").url == "host:up"


# --- credentials -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["https", "http", "ssh"])
def test_credentials_are_never_shown(scheme: str) -> None:
    remote = Remote.parse(f"{scheme}://bo:{SECRET}@host.example/a.git", "main")
    words = [remote.url, remote.shown, repr(remote), str(remote), *remote.options()]
    words.append(remote.said(f"fatal: could not read {scheme}://bo:{SECRET}@host.example/a.git"))
    words.append(remote.said("fatal: token canary-9f3a@ is wrong") if scheme != "ssh" else "")
    assert not [word for word in words if "canary" in word]
    assert "host.example/a.git" in remote.shown


def test_a_token_in_place_of_a_user_is_not_shown() -> None:
    remote = Remote.parse(f"https://{SECRET}@host.example/a.git", "main")
    assert "canary" not in remote.shown
    assert "canary" not in remote.said(f"fatal: https://{SECRET}@host.example/a.git not found")


def test_what_the_other_side_says_has_no_control_characters() -> None:
    said = Remote.parse("https://host/a", "main").said("remote: \x1b[2Jgone\x07\r\nfatal: bad\x9b31m\nhint: try this\n")
    assert said == "remote: [2Jgone; fatal: bad31m"


class Guarded(http.server.SimpleHTTPRequestHandler):
    """Files for who knows the password."""

    def do_GET(self) -> None:
        wanted = base64.b64encode(b"bo:canary-9f3a@").decode()
        if self.headers.get("Authorization") == f"Basic {wanted}":
            super().do_GET()
            return
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="git"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def website(up: Upstream) -> Iterator[str]:
    up.git("update-server-info")
    handler = functools.partial(Guarded, directory=str(up.root / ".git"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_password_logs_in_and_stands_in_no_file_and_no_argument(
    tmp_path: Path, up: Upstream, website: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "trace"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    found = mirrored(tmp_path, f"http://bo:{SECRET}@{website}/")
    seen: list[bytes] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for place in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.append(place.read_bytes())
                except OSError:
                    continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        assert found.fetch() == up.tip
    finally:
        stop.set()
        thread.join()
    assert any(website.encode() in line for line in seen)
    assert not any(b"canary" in line for line in seen)
    assert not (tmp_path / "trace").exists()
    for path in (tmp_path / "source").rglob("*"):
        assert path.is_dir() or b"canary" not in path.read_bytes()


def test_a_wrong_password_is_a_failure_that_asks_nobody(tmp_path: Path, website: str) -> None:
    with pytest.raises(errors.SourceFailed) as raised:
        mirrored(tmp_path, f"http://bo:wrong-canary@{website}/").fetch()
    assert "canary" not in str(raised.value)


# --- limits ------------------------------------------------------------------------------------------------


def test_a_remote_that_never_answers_is_left_after_the_limit_with_all_its_children(
    tmp_path: Path, up: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "FIRST_SECONDS", 0.5)
    fake_git(tmp_path / "bin", f"sleep 300 & echo $! > {tmp_path}/child; wait", monkeypatch)
    began = time.monotonic()
    with pytest.raises(errors.SourceFailed, match=r"git fetch did not end within 0\.5 s"):
        mirrored(tmp_path, up.url).fetch()
    assert time.monotonic() - began < 60
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.05)
    else:
        pytest.fail("the child still runs")


def test_what_stays_in_the_background_is_not_waited_for(
    tmp_path: Path, up: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = subprocess.check_output(["sh", "-c", "command -v git"], text=True).strip()
    # As ssh does with ControlPersist: a session of its own, which keeps stderr open.
    background = f"setsid sh -c 'echo $$ > {tmp_path}/left; exec sleep 300' > /dev/null < /dev/null &"
    fake_git(tmp_path / "bin", f'{background}\n{real} "$@"', monkeypatch)
    began = time.monotonic()
    try:
        assert mirrored(tmp_path, up.url).fetch() == up.tip
        assert time.monotonic() - began < 60
    finally:
        while not (tmp_path / "left").exists() or not (tmp_path / "left").read_text():
            time.sleep(0.02)
        os.kill(int((tmp_path / "left").read_text()), 9)


def test_close_ends_a_fetch_in_another_thread(tmp_path: Path, up: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_git(tmp_path / "bin", f"touch {tmp_path}/began; sleep 300", monkeypatch)
    found = mirrored(tmp_path, up.url)
    said: list[Exception] = []

    def fetch() -> None:
        try:
            found.fetch()
        except errors.SourceFailed as error:
            said.append(error)

    thread = threading.Thread(target=fetch)
    thread.start()
    while not (tmp_path / "began").exists():
        time.sleep(0.02)
    found.close()
    thread.join(60)
    assert not thread.is_alive()
    assert "stopped" in str(said[0])


def test_without_git_the_way_out_is_named(tmp_path: Path, up: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(errors.SourceFailed) as raised:
        mirrored(tmp_path, up.url).fetch()
    assert "Install git" in raised.value.next


def test_a_fetch_that_fails_once_is_tried_again_before_anything_is_thrown_away(
    tmp_path: Path, up: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = subprocess.check_output(["sh", "-c", "command -v git"], text=True).strip()
    script = f'if mkdir {tmp_path}/once 2>/dev/null; then echo "fatal: early EOF" >&2; exit 128; fi; exec {real} "$@"'
    fake_git(tmp_path / "bin", script, monkeypatch)
    assert mirrored(tmp_path, up.url).fetch() == up.tip


# --- isolation ---------------------------------------------------------------------------------------------


def test_what_a_calling_git_sets_does_not_lead_elsewhere(
    tmp_path: Path, up: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.bare=nonsense'")
    found = mirrored(tmp_path, up.url)
    tip = found.fetch()
    assert "specs/tenants/acme.yaml" in found.files(tip)
    assert not (tmp_path / "elsewhere").exists()


def test_a_persons_settings_do_not_change_what_is_found(
    tmp_path: Path, up: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "gitconfig"
    settings.write_text(
        "[log]\nshowSignature = true\nfollow = true\nmailmap = true\n[diff]\nrenames = copies\nexternal = false\n"
        "ignoreSubmodules = all\nnoprefix = true\n[color]\nui = always\n[core]\nquotePath = true\nabbrev = 5\n"
        "[fetch]\nprune = true\nrecurseSubmodules = true\n[format]\npretty = oneline\n[transfer]\nhideRefs = refs/x\n"
        f"[core]\nhooksPath = {tmp_path}/hooks\n[remote]\npushDefault = x\n[gc]\nauto = 1\n"
    )
    (tmp_path / "hooks").mkdir()
    for name in ("reference-transaction", "pre-auto-gc", "post-rewrite"):
        (tmp_path / "hooks" / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        (tmp_path / "hooks" / name).chmod(0o755)
    plain = mirrored(tmp_path, up.url)
    first = plain.fetch()
    up.git("mv", "specs/tenants/acme.yaml", "specs/tenants/é.yaml")
    up.git("update-index", "--add", "--cacheinfo", f"160000,{first},specs/sub")
    up.git("commit", "-q", "-m", "moved")
    second = plain.fetch()
    wanted = (plain.files(second), plain.touched(first, second), plain.last(second, "specs/tenants/é.yaml"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    strange = Mirror(tmp_path / "again", Remote.parse(up.url, "main"))
    assert strange.fetch() == second
    assert (strange.files(second), strange.touched(first, second)) == wanted[:2]
    assert strange.last(second, "specs/tenants/é.yaml") == wanted[2]
    strange.trust(second)
    strange.tidy()
    assert not (tmp_path / "ran").exists()
    assert set(wanted[1]) == {"specs/tenants/acme.yaml", "specs/tenants/é.yaml", "specs/sub"}


def test_a_replaced_object_is_not_believed(tmp_path: Path, up: Upstream) -> None:
    found = mirrored(tmp_path, up.url)
    first = found.fetch()
    up.tenant("beta")
    second = up.commit()
    assert found.fetch() == second
    place = tmp_path / "source/mirror.git"
    subprocess.run(["git", f"--git-dir={place}", "replace", first, second], check=True)
    assert "specs/tenants/beta.yaml" not in found.files(first)


# --- what is asked -----------------------------------------------------------------------------------------


def test_all_sides_of_merges_are_in_the_range(tmp_path: Path, up: Upstream) -> None:
    found = mirrored(tmp_path, up.url)
    old = found.fetch()
    up.git("checkout", "-q", "-b", "side")
    side = {up.commit("one"), up.commit("two")}
    up.git("checkout", "-q", "main")
    mine = up.commit("mine")
    up.git("merge", "-q", "--no-ff", "-m", "merge", "side")
    new = found.fetch()
    assert set(found.range(old, new)) == side | {mine, new}
    assert found.range(None, new) == [new]
    assert found.is_ancestor(old, new)
    assert not found.is_ancestor(new, old)
    assert not found.is_ancestor("0" * 40, new)


def test_what_is_trusted_stays_when_the_branch_moves_away_from_it(tmp_path: Path, up: Upstream) -> None:
    found = mirrored(tmp_path, up.url)
    assert found.trusted() is None
    old = found.fetch()
    found.trust(old)
    up.git("commit", "-q", "--amend", "-m", "rewritten")
    new = found.fetch()
    assert new != old
    assert found.trusted() == old
    assert found.has(old)


def test_an_object_that_is_not_there_breaks_the_mirror_and_not_the_program(tmp_path: Path, up: Upstream) -> None:
    found = mirrored(tmp_path, up.url)
    tip = found.fetch()
    with found.objects() as objects:
        blob = found.files(tip)["specs/tenants/acme.yaml"].id
        assert objects.read(blob, 4) == (up.root / "specs/tenants/acme.yaml").read_bytes()[:5]
        assert objects.read(blob, 1 << 20) == (up.root / "specs/tenants/acme.yaml").read_bytes()
        with pytest.raises(MirrorBroken):
            objects.read("0" * 40, 10)
        with pytest.raises(MirrorBroken):
            objects.read(tip, 10)


def test_two_branches_share_a_mirror_and_no_trust(tmp_path: Path, up: Upstream) -> None:
    main = mirrored(tmp_path, up.url)
    main.trust(main.fetch())
    up.git("branch", "other")
    other = mirrored(tmp_path, up.url, "other")
    other.fetch()
    assert other.trusted() is None


def test_the_mirror_is_for_its_owner_only(tmp_path: Path, up: Upstream) -> None:
    old = os.umask(0)
    try:
        mirrored(tmp_path, up.url).fetch()
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "source").stat().st_mode) == 0o700


def test_git_leaves_no_process_behind(tmp_path: Path, up: Upstream) -> None:
    found = gitprocess.Git(tmp_path)
    with found.started(up.root / ".git", "cat-file", "--batch") as (process, _):
        assert process.poll() is None
    assert process.returncode is not None


def test_packing_keeps_everything(tmp_path: Path, up: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tmp_path / "gitconfig"
    settings.write_text("[gc]\nautoPackLimit = 1\n[fetch]\nunpackLimit = 1\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    found = mirrored(tmp_path, up.url)
    found.trust(found.fetch())
    for number in range(3):
        up.tenant(f"more-{number}")
        up.commit()
        tip = found.fetch()
    packs = tmp_path / "source/mirror.git/objects/pack"
    assert len(list(packs.glob("*.pack"))) == 4
    found.tidy()
    assert len(list(packs.glob("*.pack"))) == 1
    assert found.fetch() == tip
    assert len(found.files(tip)) == 6
