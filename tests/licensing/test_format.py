from __future__ import annotations

import base64
import dataclasses
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler import errors
from reconciler.licensing import format as signed_file
from reconciler.licensing import keys, revocation, terms
from reconciler.licensing.codes import Code
from tests.licensing import samples

TAMPERED = {Code.MALFORMED, Code.BAD_SIGNATURE, Code.UNKNOWN_KEY}
BOTH = samples.RING.rotated(samples.OTHER_KEY.public)


def test_the_same_terms_and_key_give_a_byte_identical_file() -> None:
    again = terms.decode(terms.encode(samples.TERMS))
    assert signed_file.sign(again, samples.KEY.seed) == samples.LICENSE


def test_a_file_reads_back_to_its_terms() -> None:
    envelope = signed_file.parse(samples.LICENSE)
    assert signed_file.distrust(envelope, samples.RING) is None
    assert signed_file.read_terms(envelope) == samples.TERMS


def test_no_flipped_bit_goes_unnoticed() -> None:
    for at in range(len(samples.LICENSE)):
        for bit in range(8):
            data = bytearray(samples.LICENSE)
            data[at] ^= 1 << bit
            assert samples.judge(bytes(data), ring=BOTH).code in TAMPERED, (at, bit)


def test_no_byte_can_be_left_out_or_put_in() -> None:
    for at in range(len(samples.LICENSE)):
        before, after = samples.LICENSE[:at], samples.LICENSE[at:]
        for data in (before + after[1:], before + b"\n" + after, before + b" " + after, before + b"A" + after):
            if data != samples.LICENSE:
                assert samples.judge(data).code in TAMPERED, at


def test_no_part_of_a_file_is_a_license() -> None:
    for end in range(len(samples.LICENSE)):
        assert samples.judge(samples.LICENSE[:end]).code is Code.MALFORMED


@pytest.mark.parametrize(
    "data",
    [
        b"",
        samples.LICENSE + b"\n",
        b"\n" + samples.LICENSE,
        samples.LICENSE[:-1],
        samples.LICENSE + samples.LICENSE,
        b"\xef\xbb\xbf" + samples.LICENSE,
        samples.LICENSE.replace(b"\n", b"\r\n"),
        samples.LICENSE.replace(b"LICENSE FILE", b"LICENCE FILE"),
        b"-----BEGIN LICENSE FILE-----\n-----END LICENSE FILE-----\n",
        b"-----BEGIN LICENSE FILE-----\n" + b"A" * 2_000_000 + b"\n-----END LICENSE FILE-----\n",
    ],
    ids=["empty", "two newlines", "newline before", "no newline", "twice", "BOM", "CRLF", "label", "no body", "huge"],
)
def test_another_armor_is_malformed(data: bytes) -> None:
    assert samples.judge(data).code is Code.MALFORMED


def test_a_file_that_was_copied_as_text_says_so() -> None:
    verdict = samples.judge(samples.LICENSE.replace(b"\n", b"\r\n"))
    assert verdict.message == "the file has carriage returns: it was copied as text; copy it as bytes"


def test_lines_of_another_length_are_malformed() -> None:
    first, *body, last = samples.LICENSE.splitlines()
    text = b"".join(body)
    lines = [text[at : at + 76] for at in range(0, len(text), 76)]
    assert samples.judge(b"\n".join([first, *lines, last, b""])).code is Code.MALFORMED


def test_rearmoring_the_same_envelope_gives_the_same_file() -> None:
    assert samples.rearmored(samples.envelope_text(samples.LICENSE)) == samples.LICENSE


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (rb'^\{"alg"', rb'{ "alg"'),
        (rb'^\{"alg":"ed25519",(.*)\}$', rb'{\1,"alg":"ed25519"}'),
        (rb'^\{"alg":"ed25519"', rb'{"alg":"none","alg":"ed25519"'),
        (rb'"alg":"ed25519"', rb'"alg":"none"'),
        (rb'"alg"', rb'"\\u0061lg"'),
        (rb'"ver":1\}', rb'"ver":2}'),
        (rb'"ver":1\}', rb'"ver":01}'),
        (rb'"ver":1\}', rb'"ver":1.0}'),
        (rb'"ver":1\}', rb'"ver":1}\n'),
        (rb'"ver":1\}', rb'"ver":1,"x":0}'),
        (rb'"typ":"license"', rb'"typ":"revocations"'),
        (rb'"sig":"[^"]*"', rb'"sig":""'),
        (rb'"sig":"[^"]*"', rb'"sig":"AAAA"'),
        (rb'"enc":"[^"]*"', rb'"enc":"="'),
    ],
    ids=str,
)
def test_an_envelope_of_another_form_is_malformed(old: bytes, new: bytes) -> None:
    text = samples.envelope_text(samples.LICENSE)
    changed, count = re.subn(old, new, text)
    assert count == 1
    assert samples.judge(samples.rearmored(changed)).code is Code.MALFORMED


def test_spare_bits_before_the_padding_are_malformed() -> None:
    text = samples.envelope_text(samples.LICENSE)
    sig = re.search(rb'"sig":"([^"]*)"', text)
    assert sig is not None
    lenient = next(
        sig[1][:-3] + bytes([last]) + b"=="
        for last in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        if bytes([last]) != sig[1][-3:-2]
        and base64.b64decode(sig[1][:-3] + bytes([last]) + b"==") == base64.b64decode(sig[1])
    )
    verdict = samples.judge(samples.rearmored(text.replace(sig[1], lenient)))
    assert (verdict.code, verdict.message) == (
        Code.MALFORMED,
        "the signature is base64 with stray bits or padding",
    )


def test_the_key_id_can_not_be_exchanged_for_another_key_of_the_ring() -> None:
    text = samples.envelope_text(samples.LICENSE).replace(samples.KEY.kid.encode(), samples.OTHER_KEY.kid.encode())
    assert samples.judge(samples.rearmored(text), ring=BOTH).code is Code.BAD_SIGNATURE


def test_terms_that_name_another_key_than_their_envelope_are_malformed() -> None:
    foreign = dataclasses.replace(samples.TERMS, kid=samples.OTHER_KEY.kid)
    data = signed_file.seal(
        signed_file.TYPE, signed_file.LABEL, terms.encode(foreign), samples.KEY.kid, samples.KEY.seed
    )
    verdict = samples.judge(data, ring=BOTH)
    assert verdict.code is Code.MALFORMED
    assert verdict.message.startswith("the license names key")


def test_a_signed_revocation_list_is_no_license_under_any_label() -> None:
    listed = revocation.sign(samples.LISTED, samples.KEY.seed)
    text = samples.envelope_text(listed)
    assert samples.judge(listed).code is Code.MALFORMED
    assert samples.judge(samples.rearmored(text)).code is Code.MALFORMED
    renamed = text.replace(b'"typ":"revocations"', b'"typ":"license"')
    assert samples.judge(samples.rearmored(renamed)).code is Code.BAD_SIGNATURE


def test_signed_content_that_is_no_license_is_malformed() -> None:
    for content in (b"", b"{}", b"[" * 50_000, b"\x00"):
        data = signed_file.seal(signed_file.TYPE, signed_file.LABEL, content, samples.KEY.kid, samples.KEY.seed)
        assert samples.judge(data).code is Code.MALFORMED


def test_a_key_that_the_terms_do_not_name_does_not_sign_them() -> None:
    with pytest.raises(errors.Refused, match=f"names key {samples.KEY.kid}"):
        signed_file.sign(samples.TERMS, samples.OTHER_KEY.seed)


def test_a_license_that_no_verifier_would_read_is_not_signed() -> None:
    hardware = {f"c{number}": "0" * 64 for number in range(60)}
    devices = tuple(terms.Device(f"caja-{number}", hardware) for number in range(200))
    with pytest.raises(errors.Refused, match="1048576 are allowed"):
        signed_file.sign(dataclasses.replace(samples.TERMS, devices=devices), samples.KEY.seed)


@settings(deadline=None, database=None, max_examples=300)
@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_malformed(data: bytes) -> None:
    assert samples.judge(data).code is Code.MALFORMED


@settings(deadline=None, database=None, max_examples=300)
@given(st.binary(max_size=400))
def test_arbitrary_bytes_in_good_armor_are_malformed(content: bytes) -> None:
    assert samples.judge(samples.rearmored(content)).code is Code.MALFORMED


@settings(deadline=None, database=None, max_examples=200)
@given(st.binary(max_size=200), st.binary(min_size=64, max_size=64))
def test_a_forged_envelope_has_a_bad_signature(content: bytes, signature: bytes) -> None:
    enc, sig = base64.b64encode(content).decode() or "AAAA", base64.b64encode(signature).decode()
    kid = samples.KEY.kid
    text = f'{{"alg":"ed25519","enc":"{enc}","kid":"{kid}","sig":"{sig}","typ":"license","ver":1}}'
    assert samples.judge(samples.rearmored(text.encode())).code is Code.BAD_SIGNATURE


@settings(deadline=None, database=None, max_examples=200)
@given(st.data())
def test_several_changed_bytes_are_noticed_too(data: st.DataObject) -> None:
    changed = bytearray(samples.LICENSE)
    for _ in range(data.draw(st.integers(1, 6))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    if bytes(changed) != samples.LICENSE:
        assert samples.judge(bytes(changed)).code in TAMPERED


def test_a_description_tells_everything_without_believing_it() -> None:
    text = samples.envelope_text(samples.LICENSE)
    forged = re.sub(rb'"sig":"[^"]*"', b'"sig":"' + base64.b64encode(bytes(64)) + b'"', text)
    described = signed_file.describe(signed_file.parse(samples.rearmored(forged)))
    assert described["kid"] == samples.KEY.kid
    assert described["validUntil"] == "2028-01-01T00:00:00Z"
    assert described["graceUntil"] == "2028-01-15T00:00:00Z"
    assert described["license"] == terms.as_members(samples.TERMS)
    assert signed_file.distrust(signed_file.parse(samples.LICENSE), keys.KeyRing()) is not None
