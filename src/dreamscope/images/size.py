"""Sizes: what a picture may have, in pixels, and what is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from dreamscope.errors import DreamscopeError

SMALLEST_SIDE = 8
LARGEST_AREA = 100_000_000


@dataclass(frozen=True)
class Size:
    """A picture's size in pixels."""

    width: int
    height: int

    @classmethod
    def parse(cls, wanted: int | str | Size | None, own: Size) -> Size:
        """Return the size that is asked for.

        Parameters
        ----------
        wanted
            ``WIDTHxHEIGHT``, or one number for the longer side; `own` if not given.
        own
            The size that the picture has by itself, and so its proportions.

        Raises
        ------
        DreamscopeError
            If it is neither, smaller than 8 pixels a side, or larger than 100 megapixels.

        Examples
        --------
        >>> Size.parse("320", Size(640, 480))
        Size(width=320, height=240)
        """
        if wanted is None or isinstance(wanted, Size):
            return wanted or own
        try:
            numbers = [int(part) for part in str(wanted).lower().split("x")]
        except ValueError:
            numbers = []
        if len(numbers) not in (1, 2) or min(numbers) < SMALLEST_SIDE:
            raise DreamscopeError(
                f"size '{wanted}' is neither PX (the longer side) nor WIDTHxHEIGHT, each {SMALLEST_SIDE} or more"
            )
        if numbers[0] * numbers[-1] > LARGEST_AREA:
            raise DreamscopeError(f"size '{wanted}' is over {LARGEST_AREA // 10**6} megapixels")
        return own.with_longer(numbers[0]) if len(numbers) == 1 else cls(*numbers)

    def with_longer(self, longer: int) -> Size:
        """Return the size of the same proportions whose longer side is `longer`."""
        scale = longer / max(self.width, self.height)
        return Size(max(1, round(self.width * scale)), max(1, round(self.height * scale)))

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


def ensure_size(width: int, height: int, what: str) -> None:
    """Raise a `DreamscopeError` that names `what` if a picture of so many pixels is too small or too large."""
    if min(width, height) < SMALLEST_SIDE:
        raise DreamscopeError(f"{what} is {width}x{height} pixels; at least {SMALLEST_SIDE}x{SMALLEST_SIDE} are needed")
    if width * height > LARGEST_AREA:
        raise DreamscopeError(f"{what} is {width}x{height} pixels, too large: over {LARGEST_AREA // 10**6} megapixels")
