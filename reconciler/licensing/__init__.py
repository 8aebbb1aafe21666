"""The license floor: what a license says, how it is signed, and how a device judges it offline.

Everything here is a pure function of its arguments: the time, the seed of a key, the salt and the hardware
are handed in. It needs nothing of reconciler but `reconciler.errors`, and `cryptography` for Ed25519, so a
point-of-sale application can ship this folder as it stands. `docs/license-format.md` is the same in prose,
for those who write a verifier in another language.

- `terms`: what was agreed (`Terms`, `HardwareRule`, `Device`) and its JSON.
- `hardware`: how a component's value is normalized and hashed, and when a device matches.
- `armor`, `format`: the bytes of a signed file; `format.sign`, `format.parse`, `format.describe`.
- `keys`: key pairs out of a seed, and the ring of public keys that a device ships.
- `revocation`: the signed list of licenses that are revoked or suspended.
- `verify`: one `Verdict` out of all of it; `codes` are its possible results.
- `reissue`: what differs between two licenses, and whether that asks for a new file.
- `policy`: the content of `device-policy.json`.
"""
