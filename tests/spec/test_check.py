"""Every fault of a document, with its exact place, its words and its way out."""
# ruff: noqa: E501 - a row of the tables is a line of a spec and the whole message about it

from collections.abc import Sequence
from pathlib import Path

import pytest

from reconciler.spec import load
from reconciler.spec.source import Source
from tests.spec import sample

HEAD = "apiVersion: reconciler/v1\nkind: {kind}\nmetadata: {{name: sol}}\nspec:\n"
SHOP = HEAD.format(kind="ShopTenant") + "  displayName: Sol\n  domain: sol.example.com\n"
ADMIN = "  admin: {name: Ana, email: ana@example.com}\n"


def faults_of(text: str, file: str = "specs/tenants/sol.yaml") -> list[str]:
    found = load.parse(Source(file, text), sample.KINDS).faults
    return [f"{fault.where.line}:{fault.where.column} [{fault.rule}] {fault.message} | {fault.hint}" for fault in found]


def numbered(rows: Sequence[tuple[str, object]]) -> list[str]:
    return [f"{number}-{row[0].strip()[:30]}" for number, row in enumerate(rows)]


SHOPS = [
    ("  displayname: x\n", "8:3 [unknown-key] unknown key `displayname` in `spec` | did you mean `displayName`?"),
    ("  max_things: x\n", "8:3 [unknown-key] unknown key `max_things` in `spec`"),
    ("  hook: []\n", "8:3 [unknown-key] unknown key `hook` in `spec` | did you mean `hooks`?"),
    ("  plan: proo\n", "8:9 [not-in-list] `spec.plan` must be one of free, pro; it is the text \"proo\" | did you mean `pro`?"),
    ("  plan: 3\n", "8:9 [not-in-list] `spec.plan` must be one of free, pro; it is the number 3 | known: `free`, `pro`"),
    ("  sync: yes\n", "8:9 [wrong-type] `spec.sync` must be true or false, not the text \"yes\" | Write true."),
    ("  sync: Off\n", "8:9 [wrong-type] `spec.sync` must be true or false, not the text \"Off\" | Write false."),
    ("  server: 12\n", "8:11 [wrong-type] `spec.server` must be a text, not the number 12 | Put quotation marks around it to make it a text."),
    ("  server: true\n", "8:11 [wrong-type] `spec.server` must be a text, not true | Put quotation marks around it to make it a text."),
    ("  server:\n", "8:10 [empty-value] `spec.server` is empty | Give it a value, or leave the key out."),
    ("  ratio: 1.5\n", "8:10 [too-big] `spec.ratio` is 1.5; it must be at most 1 | "),
    ("  ratio: -1\n", "8:10 [too-small] `spec.ratio` is -1; it must be at least 0 | "),
    ("  ratio: \"0.5\"\n", "8:10 [wrong-type] `spec.ratio` must be a number, not the text \"0.5\" | Write 0.5 without quotation marks."),
    ("  ratio: .inf\n", "8:10 [wrong-type] `spec.ratio` must be a number, not the number inf | "),
    ("  ratio: .nan\n", "8:10 [wrong-type] `spec.ratio` must be a number, not the number nan | "),
    ("  expires: 2027-02-30\n", "8:12 [bad-date] `spec.expires` must be a day of the calendar, written YYYY-MM-DD, not the text \"2027-02-30\" | for example 2027-12-31"),
    ("  expires: 31.12.2027\n", "8:12 [bad-date] `spec.expires` must be a day of the calendar, written YYYY-MM-DD, not the text \"31.12.2027\" | for example 2027-12-31"),
    ("  hooks: crm\n", "8:10 [wrong-type] `spec.hooks` must be a list, not the text \"crm\" | Write it as a list: [crm]"),
    ("  hooks:\n    - name: crm\n      url: https://x\n", "9:7 [missing-key] `spec.hooks[0].events` is missing | "),
    ("  hooks:\n    - {name: crm, url: https://x, events: []}\n", "9:43 [empty-value] `spec.hooks[0].events` is empty | At least 1 is needed."),
    ("  hooks:\n    - {name: crm, url: https://x, events: [a, b, a]}\n", "9:50 [duplicate-item] `spec.hooks[0].events[2]` stands twice in the list; the first is item 1 | Keep one of the two."),
    ("  hooks:\n    - {name: CRM, url: https://x, events: [a]}\n", "9:14 [bad-pattern] `spec.hooks[0].name` is the text \"CRM\", which does not match ^[a-z][a-z0-9-]*$ | for example crm"),
    ("  limits: {a: -1}\n", "8:15 [wrong-type] `spec.limits.a` must be an integer or nothing, not the number -1 | "),
    ("  limits: {B: 1}\n", "8:12 [bad-pattern] the key `B` in `spec.limits` does not match ^[a-z]+$ | "),
    ("  match: {mode: strict}\n", "8:3 [missing-key] `spec.match.ca` is missing; the value of a key beside it asks for it | "),
    ("  match: {of: [mac, dsk]}\n", "8:21 [not-in-list] `spec.match.of[1]` must be one of mac, disk, board; it is the text \"dsk\" | did you mean `disk`?"),
    ("  match: {match: 9}\n", "8:18 [too-big] `spec.match.match` is 9; it must be at most 4 | "),
    ("  match: 9\n", "8:10 [wrong-type] `spec.match` must be a mapping, not the number 9 | "),
    ("  extra: {a: .inf}\n", "8:14 [schema] a number that is not finite has no place in a spec | "),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), SHOPS, ids=numbered(SHOPS))
def test_a_fault_of_a_spec_says_what_where_and_how_to_mend_it(line: str, expected: str) -> None:
    (found,) = faults_of(SHOP + ADMIN + line)
    assert found.startswith(expected)


SERVERS = [
    ("  port: 3306\n", ["4:1 [missing-key] `spec` needs `host` or `socket` | Give exactly one."]),
    ("  host: a\n  socket: /s\n  advertise: {host: b}\n", ["6:3 [exclusive-keys] `socket` and `host` exclude each other in `spec` | Give exactly one of `host` or `socket`."]),
    ("  socket: /s\n", ["5:3 [missing-key] `spec.advertise` is missing; with `socket` it is needed | "]),
    ("  host: a\n  port: '3306'\n", ["6:9 [wrong-type] `spec.port` must be an integer, not the text \"3306\" | Write 3306 without quotation marks."]),
    ("  host: a\n  port: 70000\n", ["6:9 [too-big] `spec.port` is 70000; it must be at most 65535 | "]),
    ("  host: a\n  passwordFrom: {}\n", ["6:3 [missing-key] `spec.passwordFrom` needs `env` or `file` | Give exactly one."]),
    ("  host: a\n  passwordFrom: {env: A, file: b}\n", ["6:26 [exclusive-keys] `file` and `env` exclude each other in `spec.passwordFrom` | Give exactly one of `env` or `file`."]),
    ("  host: a\n  password: x\n", ["6:3 [unknown-key] unknown key `password` in `spec` | did you mean `passwordFrom`?"]),
    ("  host: a\n  tls: {mode: verify}\n", ["6:3 [missing-key] `spec.tls.ca` is missing; the value of a key beside it asks for it | "]),
    ("  host: a\n  tls: {mode: verify, ca: state/ca.pem}\n", []),
    ("  socket: /s\n  advertise: {host: db.example.com}\n", []),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "expected"), SERVERS, ids=numbered(SERVERS))
def test_a_server_says_where_it_is_and_how_its_password_is_found(lines: str, expected: list[str]) -> None:
    assert faults_of(HEAD.format(kind="DatabaseServer") + lines, "specs/servers/main.yaml") == expected


def test_all_faults_of_a_document_are_found_at_once() -> None:
    text = HEAD.format(kind="ShopTenant") + "  displayName: ''\n  plan: x\n  admin: {name: Ana, mail: a}\n  state: on\n"
    assert [found.partition("|")[0] for found in faults_of(text)] == [
        "4:1 [missing-key] `spec.domain` is missing ",
        "5:16 [empty-value] `spec.displayName` is empty ",
        '6:9 [not-in-list] `spec.plan` must be one of free, pro; it is the text "x" ',
        "7:3 [missing-key] `spec.admin.email` is missing ",
        "7:22 [unknown-key] unknown key `mail` in `spec.admin` ",
        '8:10 [not-in-list] `spec.state` must be one of active, suspended; it is the text "on" ',
    ]


FRAMES = [
    ("apiVersion: reconciler/v2\nkind: ShopTenant\nmetadata: {name: sol}\nspec: {}\n",
     "1:13 [api-version] apiVersion is the text \"reconciler/v2\"; this program reads reconciler/v1 | apiVersion: reconciler/v1"),
    ("kind: ShopTenant\nmetadata: {name: sol}\nspec: {}\n", "1:1 [missing-key] `apiVersion` is missing | "),
    ("apiVersion: reconciler/v1\nkind: ShopTenannt\nmetadata: {name: sol}\nspec: {}\n",
     "2:7 [unknown-kind] `kind` is the text \"ShopTenannt\", which is unknown | did you mean `ShopTenant`?"),
    ("# x\napiVersion: reconciler/v1\nmetadata: {name: sol}\nspec: {}\n",
     "2:1 [missing-key] the document has no `kind` | known: `Platform`, `DatabaseServer`, `ShopProduct`, `ShopTenant`"),
    ("apiVersion: reconciler/v1\nkind: DatabaseServer\nmetadata: {name: sol}\nspec: {host: a}\n",
     "2:7 [wrong-folder] a document of kind DatabaseServer does not belong in this file | Move it to specs/servers/."),
    ("apiVersion: reconciler/v1\nkind: Platform\nmetadata: {name: sol}\nspec: {}\n",
     "2:7 [wrong-folder] a document of kind Platform does not belong in this file | Move it to specs/platform.yaml."),
    ("apiVersion: reconciler/v1\nkind: ShopTenant\nmetadata: {name: Sol}\nspec: {}\n",
     "3:18 [bad-pattern] `metadata.name` is the text \"Sol\", which does not match ^[a-z][a-z0-9-]{1,38}[a-z0-9]$ | for example clinica-sol"),
    ("apiVersion: reconciler/v1\nkind: ShopTenant\nmetadata:\n  labels: {a: 1}\nspec: {}\n", "3:1 [missing-key] `metadata.name` is missing | "),
    ("apiVersion: reconciler/v1\nkind: ShopTenant\nmetadata: {name: sol}\nspecs: {}\n",
     "4:1 [unknown-key] unknown key `specs` | did you mean `spec`?"),
    ("- a\n- b\n", "1:1 [not-a-mapping] a document is a mapping with apiVersion, kind, metadata and spec | "),
    ("~\n", "1:1 [not-a-mapping] a document is a mapping with apiVersion, kind, metadata and spec | "),
    ("# nothing\n", "1:1 [empty-file] the file holds no document | Delete the file if that is meant; an empty file may as well be a failed write."),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), FRAMES, ids=numbered(FRAMES))
def test_what_stands_around_the_spec_is_checked(text: str, expected: str) -> None:
    assert expected in faults_of(text)


def test_a_fault_quotes_its_line_and_names_its_tenant() -> None:
    parsed = load.parse(Source("specs/tenants/sol.yaml", SHOP + ADMIN + "  plan: proo # never\n"), sample.KINDS)
    (fault,) = parsed.faults
    assert fault.quoted == "  plan: proo # never"
    assert fault.tenant == "sol"
    (document,) = parsed.documents
    assert document.spec is None
    assert document.name == "sol"


def test_a_value_that_the_reader_refused_is_not_blamed_twice() -> None:
    (found,) = faults_of(SHOP + ADMIN + "  server: *none\n")
    assert found.startswith("8:11 [unknown-alias]")


def test_a_document_with_a_duplicate_key_has_no_spec() -> None:
    parsed = load.parse(Source("specs/tenants/sol.yaml", SHOP + ADMIN + "  domain: x\n"), sample.KINDS)
    assert [fault.rule for fault in parsed.faults] == ["duplicate-key"]
    assert parsed.documents[0].spec is None
    assert not parsed.complete


def test_annotations_of_ours_pass_through_to_the_document() -> None:
    text = sample.TENANT.replace("labels:", "annotations: {reconciler/suspend: {reason: audit, by: ana}}\n  labels:")
    (document,) = load.parse(Source("specs/tenants/sol.yaml", text), sample.KINDS).documents
    assert document.spec is not None
    assert document.annotations == {"reconciler/suspend": {"reason": "audit", "by": "ana"}}
    assert document.labels == {"tier": "gold"}


def test_every_sample_is_valid(tmp_path: Path) -> None:
    tree = load.load(sample.repository(tmp_path, tenants__sol=sample.TENANT), sample.KINDS)
    assert tree.faults == ()
    assert all(document.spec is not None for document in tree.documents)
