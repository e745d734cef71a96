"""Bearer tokens: who a browser is logged in as, signed, so that a restart logs nobody out."""

import hashlib
import secrets
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from hivecommon.errors import HiveError
from hivecommon.files import write_atomically
from hivecommon.home import make_private
from itsdangerous import BadData, TimestampSigner, URLSafeTimedSerializer
from typing_extensions import override

MAX_TOKEN_CHARACTERS: Final = 1000
_SECRET_BYTES: Final = 32


class _ClockedSigner(TimestampSigner):
    def __init__(self, *args: Any, clock: Callable[[], float], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._clock = clock

    @override
    def get_timestamp(self) -> int:
        return int(self._clock())


class TokenSigner:
    """Issues and checks tokens of one page; `audience` keeps those of different pages apart."""

    def __init__(
        self, secret: bytes, *, audience: str, lifetime: timedelta,
        now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._lifetime_s = int(lifetime.total_seconds())
        self._serializer = URLSafeTimedSerializer(
            secret,
            salt=f"hiveweb:{audience}",
            signer=_ClockedSigner,
            signer_kwargs={
                "key_derivation": "hmac", "digest_method": hashlib.sha256, "clock": now,
            },
        )  # fmt: skip

    def issue(self, holder: str) -> str:
        """Return a token that says its bearer is `holder`."""
        token = self._serializer.dumps(holder)
        return token if isinstance(token, str) else token.decode()

    def holder(self, token: str) -> str | None:
        """Return whose token it is; None when it is not ours, was altered or is too old."""
        if len(token) > MAX_TOKEN_CHARACTERS:
            return None
        try:
            holder = self._serializer.loads(token, max_age=self._lifetime_s)
        except BadData:
            return None
        return holder if isinstance(holder, str) else None


def load_secret(file: Path) -> bytes:
    """Return the secret in `file`, which is made (0600) if there is none; raise `bad_secret`."""
    try:
        secret = file.read_bytes()
    except FileNotFoundError:
        make_private(file.parent)
        secret = secrets.token_bytes(_SECRET_BYTES)
        write_atomically(file, secret, mode=0o600)
        return secret
    except OSError as error:
        raise HiveError(
            f"cannot read the secret {file}: {error.strerror}", code="bad_secret"
        ) from error
    if len(secret) != _SECRET_BYTES:
        raise HiveError(
            f"{file} holds {len(secret)} bytes instead of {_SECRET_BYTES}",
            code="bad_secret",
            hint="remove the file; a new secret is made, and every browser has to log in again",
        )
    return secret
