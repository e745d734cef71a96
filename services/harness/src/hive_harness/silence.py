"""How long nothing has come from the model: a turn that hangs is noticed and begun again."""

from collections.abc import Callable

from hive_harness.session import Called, Happening, Retrying, Returned


class Silence:
    """Measures silence, in seconds of `clock`.

    It does not count while a tool runs, which has a limit of its own, nor while the CLI waits
    before it asks the API again.
    """

    def __init__(self, limit_s: float, clock: Callable[[], float]) -> None:
        self.limit_s = limit_s
        self._clock = clock
        self._since = clock()
        self._tools: set[str] = set()

    def heard(self) -> None:
        """Note that the CLI said something, whatever it was."""
        self._since = max(self._since, self._clock())

    def take(self, happening: Happening) -> None:
        """Note what it said."""
        match happening:
            case Called(call_id):
                self._tools.add(call_id)
            case Returned(call_id):
                self._tools.discard(call_id)
            case Retrying():
                self._since = self._clock() + happening.delay_s
            case _:
                pass

    @property
    def left_s(self) -> float:
        """How much longer it may last; 0 when it has lasted too long."""
        if self._tools:
            return self.limit_s
        return max(0.0, self._since + self.limit_s - self._clock())
