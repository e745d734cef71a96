"""nkey seeds in files: one per principal, made once and kept."""

import os
from pathlib import Path

import nkeys

from hivecommon.errors import HiveError
from hivecommon.files import write_atomically
from hivecommon.home import make_private

_SEED_BYTES = 32


def ensure_key(file: Path) -> str:
    """Return the public key of the seed in `file`, which is made (0600) if there is none.

    A seed once made is never replaced: whoever holds it stays connected.
    """
    if not file.exists():
        make_private(file.parent)
        seed = nkeys.encode_seed(os.urandom(_SEED_BYTES), nkeys.PREFIX_BYTE_USER)
        write_atomically(file, bytes(seed), mode=0o600)
    return public_key(read_seed(file))


def read_seed(file: Path) -> str:
    """Return the seed in `file`; raise `no_key` or `bad_key` saying which file it is."""
    try:
        text = file.read_text().strip()
    except OSError as error:
        raise HiveError(
            f"cannot read the bus key {file}: {error.strerror}",
            code="no_key",
            hint="keys are made by `hive up` (or `hive-lifecycle prepare-bus`) for the user that runs it",
        ) from error
    public_key(text, file=file)
    return text


def public_key(seed: str, *, file: Path | None = None) -> str:
    """Return the public key (`U…`) of a user's seed."""
    try:
        pair = nkeys.from_seed(bytearray(seed.encode()))
        key: str = pair.public_key.decode()
    except (nkeys.ErrInvalidSeed, ValueError, UnicodeError) as error:
        raise HiveError(
            f"{file or 'the seed'} holds no nkey seed",
            code="bad_key",
            hint="remove the file; a new key is made at the next start of lifecycle",
        ) from error
    return key
