"""Verdicts on one certificate, key or list."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway import check_certificates as look
from tests.support.operator_files import DAY, NOW, Pair, pair, revocation_list

ROOT = pair("root", ca=True)
ISSUING = pair("issuing", ROOT, ca=True)
LEAF = pair("gateway", ISSUING)


def said(verdicts: Iterable[look.Verdict]) -> list[str]:
    return [("! " if verdict.fatal else "- ") + verdict.text for verdict in verdicts]


def of_chain(*pairs: Pair, server: bool = True) -> list[str]:
    return said(look.chain([one.certificate for one in pairs], NOW, server=server))


def test_sound_chains() -> None:
    assert of_chain(LEAF, ISSUING, ROOT) == []
    assert of_chain(LEAF) == []
    assert of_chain() == []
    assert of_chain(pair("g", usage=None)) == []
    assert of_chain(pair("g", usage=ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)) == []
    assert of_chain(pair("g", usage=ExtendedKeyUsageOID.CLIENT_AUTH, names=False), server=False) == []


def test_the_order_is_leaf_first() -> None:
    assert of_chain(LEAF, ROOT, ISSUING) == ["! certificate 2 did not issue certificate 1; the order is leaf first"]
    assert "- the first certificate is a CA certificate; is it the leaf?" in of_chain(ISSUING, LEAF)


def test_dates() -> None:
    assert of_chain(pair("g", begins=NOW - 9 * DAY, ends=NOW - DAY))[0].startswith("! expired on ")
    assert of_chain(pair("g", begins=NOW + DAY, ends=NOW + 90 * DAY))[0].startswith("! is not valid before ")
    assert of_chain(pair("g", ends=NOW + 5 * DAY))[0].startswith("- expires in 5 days, on ")
    assert of_chain(pair("g", ends=NOW + 31 * DAY)) == []
    old = pair("old", ca=True, begins=NOW - 9 * DAY, ends=NOW - DAY)
    assert of_chain(pair("g", old), old)[0].startswith("! certificate 2 of the chain expired on ")


def test_purpose_names_and_strength() -> None:
    assert of_chain(pair("g", usage=ExtendedKeyUsageOID.CLIENT_AUTH)) == [
        "! its extendedKeyUsage does not allow serverAuth"
    ]
    assert of_chain(LEAF, server=False) == ["! its extendedKeyUsage does not allow clientAuth"]
    assert of_chain(pair("g", names=False)) == ["- no subjectAltName: browsers refuse it"]
    weak = pair("g", key=rsa.generate_private_key(65537, 1024))
    assert of_chain(weak) == ["! a key of 1024 bits is too short; OpenSSL wants 2048"]
    small = pair("g", key=ec.generate_private_key(ec.SECP192R1()))
    assert of_chain(small) == ["! a curve of 192 bits is too short"]


def test_keys() -> None:
    chain = [LEAF.certificate, ISSUING.certificate]
    assert said(look.key(LEAF.key_pem(), chain)) == []
    assert said(look.key(LEAF.key_pem(), [])) == []
    assert said(look.key(ROOT.key_pem(), chain)) == ["! the key does not match the certificate"]
    assert said(look.key(ISSUING.key_pem(), chain)) == [
        "! the key matches certificate 2 of the chain; the leaf must come first"
    ]
    sealed = said(look.key(LEAF.key_pem(b"hunter2"), chain))
    assert sealed == ["! the key is encrypted; write it without a passphrase, readable by the gateway alone"]
    assert said(look.key(LEAF.pem, chain)) == ["! no private key in PEM"]


def test_authorities() -> None:
    assert said(look.authorities([ROOT.certificate, ISSUING.certificate], NOW)) == []
    assert said(look.authorities([LEAF.certificate], NOW)) == [
        "! CN=gateway is not a CA certificate (basicConstraints, keyUsage)"
    ]
    old = pair("old", ca=True, begins=NOW - 9 * DAY, ends=NOW - DAY)
    (expired,) = said(look.authorities([old.certificate], NOW))
    assert expired.startswith("- CN=old expired on ")


def test_lists() -> None:
    issuers = [ROOT.certificate, ISSUING.certificate]
    assert said(look.crl(revocation_list(ISSUING), issuers, NOW)) == []
    assert said(look.crl(revocation_list(ISSUING), [ROOT.certificate], NOW)) == [
        "! its issuer CN=issuing is none of the anchors and intermediates"
    ]
    assert said(look.crl(revocation_list(ISSUING, signer=ROOT), issuers, NOW)) == [
        "! its signature is not that of CN=issuing"
    ]
    (stale,) = said(look.crl(revocation_list(ROOT, begins=NOW - 9 * DAY, due=NOW - DAY), issuers, NOW))
    assert stale.startswith("- the list of CN=root is overdue since ")
    assert stale.endswith("with stale_crl: refuse nobody under it may enter")
    (soon,) = said(look.crl(revocation_list(ROOT, due=NOW + DAY / 12), issuers, NOW))
    assert soon.startswith("- the list of CN=root is due at ")
    (early,) = said(look.crl(revocation_list(ROOT, begins=NOW + DAY), issuers, NOW))
    assert early.startswith("- the list of CN=root is from the future")


def test_an_issuer_with_two_keys_may_sign_with_either() -> None:
    renewed = pair("root", ca=True)
    assert said(look.crl(revocation_list(renewed), [ROOT.certificate, renewed.certificate], NOW)) == []


def test_issuers_without_a_list() -> None:
    lists = [revocation_list(ISSUING)]
    assert said(look.without_list([ISSUING.certificate], lists)) == []
    assert said(look.without_list([ROOT.certificate, ISSUING.certificate], lists)) == [
        "- there is no list of CN=root: what it has issued is refused as crl_missing"
    ]


def test_parsing() -> None:
    assert look.parse_certificates(LEAF.pem + ISSUING.pem) == [LEAF.certificate, ISSUING.certificate]
    crl = revocation_list(ROOT)
    pem, der = crl.public_bytes(Encoding.PEM), crl.public_bytes(Encoding.DER)
    assert look.parse_crls(der) == look.parse_crls(pem) == [crl]
    assert look.parse_crls(b"remark\n" + pem + pem) == [crl, crl]
    for octets in (
        b"",
        b"x",
        LEAF.key_pem(),
        LEAF.pem[:200],
        b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
    ):
        with pytest.raises(ValueError, match="no certificate"):
            look.parse_certificates(octets)
        with pytest.raises(ValueError, match="no revocation list"):
            look.parse_crls(octets)


def test_foreign_names_are_cut_and_cleaned() -> None:
    shouting = pair("\x1b[31m" + "x" * 59, ca=True)
    assert isinstance(shouting.certificate, x509.Certificate)
    name = look.subject(shouting.certificate)
    assert name.isprintable()
    assert len(name) < 70
