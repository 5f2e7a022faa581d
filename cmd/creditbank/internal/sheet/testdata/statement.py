#!/usr/bin/env python3
"""Writes statement.golden: one statement as package sheet has to derive it, with nothing but hashlib and hmac.

The secret is 32 bytes of 07; the row is that of TestStatementsNeverChange.
"""
import hashlib
import hmac
import pathlib
import uuid

SECRET = bytes([7]) * 32
START, END = 1772326800, 1772332200  # 2026-03-01 09:00 and 10:30 in Asia/Shanghai


def hkdf(material, info):  # RFC 5869 with SHA-256, no salt, 32 bytes
    prk = hmac.new(bytes(32), material, hashlib.sha256).digest()
    return hmac.new(prk, info + b"\x01", hashlib.sha256).digest()


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def data(field, content):
    return varint(field << 3 | 2) + varint(len(content)) + content


def number(field, n):
    return varint(field << 3) + varint(n)


session = data(1, number(1, START)) + data(2, number(1, END)) + number(3, 90)
completion = (
    data(1, b"8241685281720300") + data(2, b"school-cuiyuan") + data(3, b"calligraphy-1") + data(4, b"1") + number(5, 1)
    + data(6, session) + data(7, number(1, 2) + number(2, 1) + number(3, 1)) + number(8, 88) + number(9, 1) + data(10, b"a/b")
)
key = hkdf(SECRET, b"creditbank/v1 statement id")
identity = bytearray(hmac.new(key, (0).to_bytes(8, "big") + completion, hashlib.sha256).digest()[:16])
identity[:6] = (END // 86400 * 86400 * 1000).to_bytes(6, "big")
identity[6] = 0x80 | identity[6] & 0x0F
identity[8] = 0x80 | identity[8] & 0x3F
salt = hmac.new(hkdf(SECRET, b"creditbank/v1 statement salt"), identity, hashlib.sha256).digest()[:16]
statement = data(1, bytes(identity)) + data(2, salt) + data(3, completion)
golden = pathlib.Path(__file__).with_name("statement.golden")
golden.write_text(f"{uuid.UUID(bytes=bytes(identity))}\n{statement.hex()}\n")
