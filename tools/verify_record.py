"""Check an order's record: verify_record.py DIR --keys FILE. Get FILE from the witnesses, not from whoever made DIR."""

import hmac
import json
import sys
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

sys.excepthook = lambda kind, error, _: print(f"REFUSED: {kind.__name__}: {error}", file=sys.stderr)
canonical = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def decode(text: str) -> bytes:  # refuses all but the one form of base64
    return b64decode(text) if b64encode(b64decode(text)).decode() == text else sys.exit(f"REFUSED: {text[:60]}")


def roots(at: int, size: int, proof: list[str], known: list[bytes], leaves: int) -> list[bytes]:
    """Return the roots over `at + 1` and over `size` leaves (RFC 9162), from one leaf or else from the older root."""
    if at + 1 == size and (size == 1 or not leaves):
        return [*known, *map(decode, proof)] * 2
    half = 1 << (size - 1).bit_length() - 1
    if at < half:
        old, new = roots(at, half, proof[:-1], known, leaves)
        return [old, sha256(b"\1" + new + decode(proof[-1])).digest()]
    pair = roots(at - half, size - half, proof[:-1], known[:leaves], leaves)
    return [sha256(b"\1" + decode(proof[-1]) + root).digest() for root in pair]


folder, keys, heads = Path(sys.argv[1]), {}, []
texts = [file.read_bytes().decode() for file in (folder / "record.json", Path(sys.argv[-1]))]
bundle, ring = map(json.loads, texts)
[canonical(bundle) + "\n", canonical(ring) + "\n"] == texts or sys.exit("REFUSED: bundle or keys not in their one form")
for name, key_id, key in (text.split("+", 2) for text in ring["logs"] + ring["witnesses"]):
    keys[name, key_id] = decode(key)  # its first byte: 1 for a log, 4 for a witness (c2sp.org/signed-note)
    sha256(f"{name}\n".encode() + decode(key)).hexdigest()[:8] == key_id or sys.exit(f"REFUSED: the key of {name}")
for body, *lines in (bundle[head].removesuffix("\n").split("\n\u2014 ") for head in ("earlier", "head")):
    signers = {}
    for name, text in (line.split(" ") for line in lines):
        key, raw = keys[name, decode(text)[:4].hex()], decode(text)[4:]
        stamp = f"cosignature/v1\ntime {int.from_bytes(raw[:8], 'big')}\n" if key[:1] == b"\4" else ""
        Ed25519PublicKey.from_public_bytes(key[1:]).verify(raw[8:] if stamp else raw, (stamp + body).encode())
        signers[name] = key[:1]
    origin, size, root = body.split()
    count = list(signers.values()).count(b"\4") if signers.get(origin) == b"\1" else 0
    count >= ring["required"] > 0 or sys.exit("REFUSED: a head lacks the signature of its log or of enough witnesses")
    heads += [int(size), decode(root)]
old_size, old_root, size, root = heads
roots(old_size - 1, size, bundle["consistency"], [old_root], 0) == [old_root, root] or sys.exit("REFUSED: no growth")
for entry in bundle["entries"]:
    leaf = sha256(b"\0" + canonical(entry["leaf"]).encode()).digest()
    roots(entry["index"], size, entry["proof"], [leaf], 1)[1:] == [root] or sys.exit(f"REFUSED: {entry['leaf']}")
    mac = hmac.new(decode(entry["key"]), canonical(entry["payload"]).encode(), "sha256").hexdigest()
    mac == entry["leaf"]["commitment"] or sys.exit(f"REFUSED: the payload of {entry['leaf']}")
(settled,) = [entry["payload"] for entry in bundle["entries"] if entry["leaf"]["type"] == "supermarket.settlement"]
for file in (folder / name for name in ("quote.json", "transfers.csv", "usage.csv")):
    sha256(file.read_bytes()).hexdigest() == settled[f"{file.stem}_sha256"] or sys.exit(f"REFUSED: {file.name}")
print(f"OK: {len(bundle['entries'])} entries under a head of {size} leaves, signed by {', '.join(signers)}")
