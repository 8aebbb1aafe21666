from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, x25519

from reconciler import errors
from reconciler.licensing import format as signed_file
from reconciler.licensing import keys
from tests.licensing import samples

# RFC 8032, section 7.1: seed, public key, message, signature.
VECTORS = {
    "TEST 1": (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    "TEST 2": (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    "TEST 3": (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
    "TEST SHA(abc)": (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd"
        "454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e030"
        "3dca179c138ac17ad9bef1177331a704",
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_keys_and_signatures_are_those_of_rfc_8032(name: str) -> None:
    seed, public, message, signature = (bytes.fromhex(part) for part in VECTORS[name])
    pair = keys.derive(seed)
    assert pair.public == public
    assert keys.sign(seed, message) == signature
    assert keys.is_signed(public, message, signature)
    assert not keys.is_signed(public, message + b"!", signature)


needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl command here")


@needs_openssl
def test_openssl_finds_the_signature_of_a_license_good_and_makes_the_same_one(tmp_path: Path) -> None:
    envelope = signed_file.parse(samples.LICENSE)
    private = ed25519.Ed25519PrivateKey.from_private_bytes(samples.KEY.seed)
    (tmp_path / "message").write_bytes(envelope.signed_text)
    (tmp_path / "signature").write_bytes(envelope.signature)
    (tmp_path / "public.pem").write_text(keys.pem(samples.KEY.public))
    (tmp_path / "private.pem").write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    common = ["openssl", "pkeyutl", "-rawin", "-in", "message"]
    checked = subprocess.run(
        [*common, "-verify", "-pubin", "-inkey", "public.pem", "-sigfile", "signature"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    made = subprocess.run([*common, "-sign", "-inkey", "private.pem"], cwd=tmp_path, capture_output=True, check=True)
    assert made.stdout == envelope.signature


@needs_openssl
def test_a_public_key_that_openssl_writes_goes_into_a_ring(tmp_path: Path) -> None:
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "ed25519", "-out", "private.pem"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    made = subprocess.run(
        ["openssl", "pkey", "-in", "private.pem", "-pubout"], cwd=tmp_path, capture_output=True, check=True
    )
    public = keys.read_public(made.stdout.decode())
    member = {"kid": keys.key_id(public), "public": made.stdout.decode(), "status": "active"}
    ring = keys.KeyRing.decode(json.dumps({"ver": 1, "keys": [member]}).encode())
    assert ring.active is not None
    assert ring.active.public == public


def test_a_seed_of_another_length_is_refused() -> None:
    with pytest.raises(errors.PlatformMisconfigured, match="has 31 bytes"):
        keys.derive(bytes(31))


def test_a_key_pair_never_shows_its_seed() -> None:
    seed = bytes(range(100, 132))
    shown = repr(keys.derive(seed))
    assert repr(seed) not in shown
    assert "seed" not in shown


def test_a_ring_reads_what_it_wrote() -> None:
    ring = samples.RING.rotated(samples.OTHER_KEY.public)
    assert keys.KeyRing.decode(ring.encode()) == ring


def test_rotation_leaves_one_active_key_and_the_old_one_verifies() -> None:
    ring = samples.RING.rotated(samples.OTHER_KEY.public)
    assert ring.active is not None
    assert ring.active.kid == samples.OTHER_KEY.kid
    old = ring.find(samples.KEY.kid)
    assert old is not None
    assert old.status is keys.Status.VERIFY_ONLY
    assert samples.judge(ring=ring).acceptable


def test_a_key_that_is_not_there_can_not_be_revoked() -> None:
    with pytest.raises(errors.PlatformMisconfigured, match="no key"):
        samples.RING.revoked(samples.OTHER_KEY.kid)


GOOD: dict[str, Any] = json.loads(samples.RING.encode())["keys"][0]
OTHER: dict[str, Any] = json.loads(samples.RING.rotated(samples.OTHER_KEY.public).encode())["keys"][1]
WRONG_CURVE = x25519.X25519PrivateKey.from_private_bytes(bytes(32)).public_key()


@pytest.mark.parametrize(
    "content",
    [
        {"ver": 2, "keys": []},
        {"keys": []},
        {"ver": 1, "keys": {}},
        {"ver": 1, "keys": [GOOD, GOOD]},
        {"ver": 1, "keys": [GOOD, OTHER]},
        {"ver": 1, "keys": [{**GOOD, "kid": OTHER["kid"]}]},
        {"ver": 1, "keys": [{**GOOD, "status": "retired"}]},
        {"ver": 1, "keys": [{**GOOD, "status": []}]},
        {"ver": 1, "keys": [{**GOOD, "public": None}]},
        {"ver": 1, "keys": [{**GOOD, "public": "AAAA"}]},
        {"ver": 1, "keys": [{**GOOD, "public": "ñ"}]},
        {"ver": 1, "keys": [{**GOOD, "public": "-----BEGIN PUBLIC KEY-----"}]},
        {
            "ver": 1,
            "keys": [
                {
                    **GOOD,
                    "public": WRONG_CURVE.public_bytes(
                        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
                    ).decode(),
                }
            ],
        },
    ],
    ids=[
        *("version", "no version", "keys no array", "twice", "two active", "wrong id", "status", "status no text"),
        *("public no text", "short", "not ASCII", "half PEM", "another kind of key"),
    ],
)
def test_a_ring_that_contradicts_itself_is_a_wrong_configuration(content: object) -> None:
    with pytest.raises(errors.PlatformMisconfigured, match="key ring: "):
        keys.KeyRing.decode(json.dumps(content).encode())


def test_a_key_of_the_wrong_length_never_reaches_the_signature_check() -> None:
    with pytest.raises(errors.PlatformMisconfigured, match="has 5 bytes"):
        keys.KeyRing((keys.PublicKey(keys.key_id(b"short"), b"short"),))
