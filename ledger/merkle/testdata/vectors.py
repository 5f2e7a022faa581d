"""Makes vectors.json from the definitions in RFC 6962, C2SP tlog-tiles and C2SP signed-note, sharing nothing with the Go
code. Needs pyca/cryptography for the signature. Run: python3 vectors.py > vectors.json"""

import base64
import functools
import hashlib
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def sha256(b):
    return hashlib.sha256(b).digest()


def split(n):
    k = 1
    while 2 * k < n:
        k *= 2
    return k


@functools.cache
def mth(lo, hi):  # RFC 6962, 2.1; leaf i is the decimal number i
    if lo == hi:
        return sha256(b"")
    if hi - lo == 1:
        return sha256(b"\x00" + str(lo).encode())
    k = split(hi - lo)
    return sha256(b"\x01" + mth(lo, lo + k) + mth(lo + k, hi))


def path(m, lo, hi):  # RFC 6962, 2.1.1
    if hi - lo == 1:
        return []
    k = split(hi - lo)
    if m < k:
        return path(m, lo, lo + k) + [mth(lo + k, hi)]
    return path(m - k, lo + k, hi) + [mth(lo, lo + k)]


def subproof(m, lo, hi, b):  # RFC 6962, 2.1.2
    if m == hi - lo:
        return [] if b else [mth(lo, hi)]
    k = split(hi - lo)
    if m <= k:
        return subproof(m, lo, lo + k, b) + [mth(lo + k, hi)]
    return subproof(m - k, lo + k, hi, False) + [mth(lo, lo + k)]


def tile(level, n, width):  # C2SP tlog-tiles
    w = 256**level
    return b"".join(mth((n * 256 + i) * w, (n * 256 + i + 1) * w) for i in range(width))


def hexes(hashes):
    return [h.hex() for h in hashes]


SIZE = 70000
origin, seed = "log.example/creditbank", bytes(range(32))
key = Ed25519PrivateKey.from_private_bytes(seed)
pub = b"\x01" + key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
keyid = sha256(origin.encode() + b"\n" + pub)[:4]
text = f"{origin}\n{SIZE}\n{base64.b64encode(mth(0, SIZE)).decode()}\n"
signature = base64.b64encode(keyid + key.sign(text.encode())).decode()

print(json.dumps({
    "size": SIZE,
    "roots": [{"size": n, "root": mth(0, n).hex()} for n in (0, 1, 2, 3, 255, 256, 257, 511, 65535, 65536, 65537, SIZE)],
    "tiles": [{"path": p, "sha256": sha256(tile(*t)).hex()} for p, t in (
        ("tile/0/000", (0, 0, 256)),
        ("tile/0/272", (0, 272, 256)),
        ("tile/0/273.p/112", (0, 273, 112)),
        ("tile/1/000", (1, 0, 256)),
        ("tile/1/001.p/17", (1, 1, 17)),
        ("tile/2/000.p/1", (2, 0, 1)),
    )],
    "inclusion": [{"index": m, "size": n, "proof": hexes(path(m, 0, n))} for m, n in (
        (0, 1), (0, 2), (2, 3), (255, 256), (256, 257), (0, 257), (65535, 65537), (65536, 65537), (12345, SIZE),
        (69888, SIZE), (SIZE - 1, SIZE),
    )],
    "consistency": [{"old": m, "new": n, "proof": hexes(subproof(m, 0, n, True))} for m, n in (
        (1, 2), (3, 7), (255, 257), (256, 257), (257, 65537), (65536, SIZE), (65537, SIZE), (69999, SIZE),
    )],
    "checkpoint": {
        "origin": origin,
        "seed": seed.hex(),
        "vkey": f"{origin}+{keyid.hex()}+{base64.b64encode(pub).decode()}",
        "signed": f"{text}\n— {origin} {signature}\n",
    },
}, indent=1))
