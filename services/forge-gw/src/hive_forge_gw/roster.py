"""Which agents live, as lifecycle says in the bucket that everybody may read."""

from hivecommon.bus import Bus
from hivecommon.contracts.streams import ROSTER_BUCKET
from hivecommon.errors import Unavailable
from nats.js.errors import BucketNotFoundError, NoKeysError


class Roster:
    """Asks the bus; keeps nothing."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def living(self) -> set[str]:
        """Return the names of all agents that are not destroyed; raise Unavailable if nobody can tell."""
        try:
            bucket = await self._bus.jetstream.key_value(ROSTER_BUCKET)
            return set(await bucket.keys())
        except NoKeysError:
            return set()
        except BucketNotFoundError as error:
            raise Unavailable("lifecycle has written no roster yet") from error
        except Exception as error:
            raise Unavailable(f"the roster cannot be read: {error}") from error
