from __future__ import annotations

import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from certs.authority import Issued, new_key
from certs.credential import LARGEST, TEXT_LIMIT, Credential, CredentialError, clean, parse
from tests.support.pki import HOSPITAL, Pki, altered_signature, days_ago

PKI = Pki()


def der(issued: Issued) -> bytes:
    return issued.certificate.public_bytes(Encoding.DER)


def with_subject(name: x509.Name) -> Credential:
    key = new_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(PKI.issuing.certificate.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(days_ago(1))
        .not_valid_after(days_ago(-1))
        .sign(key, hashes.SHA256())
    )
    return parse(certificate.public_bytes(Encoding.DER))


def uid(value: str, kind: _ASN1Type | None = None) -> x509.NameAttribute[str]:
    return x509.NameAttribute(NameOID.USER_ID, value, _type=kind)


def test_what_a_certificate_says() -> None:
    data = der(PKI.hospital)
    credential = parse(data)
    public = PKI.hospital.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert credential.der == data
    assert credential.fingerprint == hashlib.sha256(data).hexdigest()
    assert credential.spki == hashlib.sha256(public).hexdigest()
    assert credential.serial == PKI.hospital.certificate.serial_number
    assert credential.subject == f"UID={HOSPITAL},CN=Hospital One"
    assert credential.issuer == "CN=Institutions Issuing CA"
    assert credential.not_before < credential.not_after
    assert data.hex() not in repr(credential)


def test_fields() -> None:
    issued = PKI.issuing.issue("cn-1", uid="uid-1", san=["dns-1.example", "urn:x"])
    credential = parse(der(issued))
    assert credential.ids("subject.CN") == "cn-1"
    assert credential.ids("subject.UID") == "uid-1"
    assert credential.ids("san.dns") == "dns-1.example"
    assert credential.ids("san.uri") is None  # a colon is no part of an id
    assert credential.occurrences("san.uri") == 1
    assert credential.ids("fingerprint") == credential.fingerprint
    assert credential.ids("subject.SN") is None


@pytest.mark.parametrize("name", list(PKI.odd))
def test_what_is_no_id(name: str) -> None:
    assert parse(der(PKI.odd[name].issued)).ids("subject.UID") in (None, "H999")


@pytest.mark.parametrize(
    "rdns",
    [
        [[uid(HOSPITAL), uid("H2")]],
        [[uid(HOSPITAL), x509.NameAttribute(NameOID.COMMON_NAME, "x")], [uid(HOSPITAL)]],
    ],
    ids=["both in one relative name", "one hidden beside the common name"],
)
def test_an_id_hidden_in_a_multi_valued_name_counts(rdns: list[list[x509.NameAttribute[str]]]) -> None:
    credential = with_subject(x509.Name([x509.RelativeDistinguishedName(rdn) for rdn in rdns]))
    assert credential.ids("subject.UID") is None
    assert credential.occurrences("subject.UID") == 2


@pytest.mark.parametrize("kind", [_ASN1Type.PrintableString, _ASN1Type.IA5String, _ASN1Type.BMPString])
def test_string_types_are_decoded(kind: _ASN1Type) -> None:
    assert with_subject(x509.Name([uid(HOSPITAL, kind)])).ids("subject.UID") == HOSPITAL


def test_octets_of_another_string_type_are_no_id() -> None:
    """UTF-16 octets announced as UTF-8 hold NULs."""
    plain = with_subject(x509.Name([uid("H4", _ASN1Type.BMPString)])).der
    relabelled = plain.replace(b"\x1e\x04\x00H\x004", b"\x0c\x04\x00H\x004")
    assert relabelled != plain
    assert parse(relabelled).ids("subject.UID") is None


def test_teletex_that_is_not_utf8_cannot_be_read() -> None:
    plain = with_subject(x509.Name([uid("HHHH", _ASN1Type.UTF8String)])).der
    with pytest.raises(CredentialError):
        parse(plain.replace(b"\x0c\x04HHHH", b"\x14\x04H\xff\xfeH"))


def test_the_key_outlives_an_altered_signature() -> None:
    twin = altered_signature(PKI.hospital)
    twin.certificate.verify_directly_issued_by(PKI.issuing.certificate)
    ours, theirs = parse(der(PKI.hospital)), parse(der(twin))
    assert ours.fingerprint != theirs.fingerprint
    assert (ours.spki, ours.serial) == (theirs.spki, theirs.serial)


@pytest.mark.parametrize("octets", [b"", b"0", b"\x30\x80", b"x" * 500, der(PKI.hospital)[:-1]])
def test_garbage(octets: bytes) -> None:
    with pytest.raises(CredentialError):
        parse(octets)


def test_size_is_bounded_before_anything_is_parsed() -> None:
    many = PKI.issuing.issue("x", uid=HOSPITAL, san=[f"{number:060}.example" for number in range(300)])
    assert len(der(many)) > LARGEST
    with pytest.raises(CredentialError, match="octets"):
        parse(der(many))


@pytest.mark.parametrize("serial", [b"\xff", b"\x00"], ids=["negative", "zero"])
@pytest.mark.filterwarnings("ignore")
def test_a_serial_number_is_positive(serial: bytes) -> None:
    data = der(PKI.issuing.issue("x", uid=HOSPITAL, serial=5))
    odd = data.replace(b"\xa0\x03\x02\x01\x02\x02\x01\x05", b"\xa0\x03\x02\x01\x02\x02\x01" + serial)
    assert odd != data
    with pytest.raises(CredentialError):
        parse(odd)


def test_an_unreadable_extension_names_nobody_and_harms_nobody() -> None:
    data = der(PKI.issuing.issue("x", uid=HOSPITAL, san=["a.example"]))
    broken = data.replace(b"\x82\x09a.example", b"\x8f\x09a.example")  # a kind of name that does not exist
    assert broken != data
    credential = parse(broken)
    assert credential.ids("subject.UID") == HOSPITAL
    assert credential.ids("san.dns") is None


@given(st.data())
def test_whatever_the_octets_only_the_documented_error_escapes(data: st.DataObject) -> None:
    octets = bytearray(der(PKI.hospital))
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        credential = parse(bytes(octets))
    except CredentialError:
        return
    assert credential.subject.isprintable()
    assert len(credential.subject) <= TEXT_LIMIT


@given(st.text())
def test_clean_text_prints_and_is_short(text: str) -> None:
    cleaned = clean(text)
    assert cleaned.isprintable()
    assert len(cleaned) <= TEXT_LIMIT


def test_clean_escapes_what_could_deceive() -> None:
    assert clean("a\r\nb\x1b[2J") == "a\\r\\nb\\x1b[2J"
    assert clean("abc\u202etxt") == "abc\\u202etxt"
    assert clean("洛阳") == "洛阳"
