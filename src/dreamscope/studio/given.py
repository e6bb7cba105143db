"""What a page asks for: values read one by one, each of a known kind; nothing else reaches a technique."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from dreamscope.errors import DreamscopeError, ensure_one_of
from dreamscope.exploration.patches import channels_of
from dreamscope.images import SAMPLES
from dreamscope.models.addresses import Address, resolve
from dreamscope.models.classifier import Classifier
from dreamscope.studio.pictures import safe_stem
from dreamscope.studio.visits import Visit

MOST_ADDRESSES = 16


class Given:
    """The values of one message.

    Parameters
    ----------
    values
        As they came.
    visit
        Whose pictures may be named.
    """

    def __init__(self, values: Mapping[str, Any], visit: Visit) -> None:
        self._values, self.visit = values, visit

    def whole(self, name: str, default: int, *, least: int, most: int) -> int:
        """Return a whole number; raise a `DreamscopeError` if it is none or lies outside."""
        value = self.number(name, default, least=least, most=most)
        if value != int(value):
            raise DreamscopeError(f"{name} is a whole number, not {value}")
        return int(value)

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        """Return a number; raise a `DreamscopeError` if it is none or lies outside."""
        value = self._values.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise DreamscopeError(f"{name} is a number, not {_short(value)}")
        if not least <= value <= most:
            raise DreamscopeError(f"{name} lies between {least} and {most}, not at {value}")
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return true or false."""
        value = self._values.get(name, default)
        if not isinstance(value, bool):
            raise DreamscopeError(f"{name} is true or false, not {_short(value)}")
        return value

    def text(self, name: str, default: str = "", *, most: int = 200) -> str:
        """Return a text of at most so many characters."""
        value = self._values.get(name, default)
        if not isinstance(value, str) or len(value) > most:
            raise DreamscopeError(f"{name} is a text of at most {most} characters, not {_short(value)}")
        return value

    def choice(self, name: str, choices: Collection[str], default: str) -> str:
        """Return one of `choices`."""
        value = self.text(name, default)
        ensure_one_of(value, choices, name)
        return value

    def texts(self, name: str, *, most: int) -> list[str]:
        """Return a list of texts, empty if it is not there."""
        value = self._values.get(name, [])
        if not isinstance(value, list) or len(value) > most or not all(isinstance(each, str) for each in value):
            raise DreamscopeError(f"{name} is a list of at most {most} texts, not {_short(value)}")
        return value

    def addresses(self, name: str, model: Classifier) -> list[str]:
        """Return addresses of the network, as it writes them; an empty list if there are none."""
        found = self.texts(name, most=MOST_ADDRESSES)
        return [str(address) for address in resolve(found, model)] if found else []

    def channels(self, name: str, model: Classifier, *, most: int) -> Address:
        """Return the address of some channels of one layer; raise a `DreamscopeError` if it is anything else."""
        found = channels_of(model, [self.text(name)])
        if len(found) != 1 or found[0].channels is None or len(found[0].channels) > most:
            raise DreamscopeError(
                f"{name} names one layer and at most {most} channels of it, such as LAYER:0-{most - 1}"
            )
        return found[0]

    def picture(self, name: str) -> str | Path:
        """Return a picture of this visit as a file, or a sample photo by its name."""
        value = self._values.get(name)
        if isinstance(value, str) and value.removeprefix("sample:") in SAMPLES and value.startswith("sample:"):
            return value
        return self.visit.find(value).path

    def stem(self, name: str) -> str:
        """Return what a picture is called, without its suffix."""
        return safe_stem(Path(self.picture(name)).stem)

    def maybe_picture(self, name: str) -> str | Path | None:
        """Return a picture, see `picture`, or ``None`` if there is none."""
        return None if self._values.get(name) is None else self.picture(name)

    def pictures(self, name: str, *, most: int) -> list[Path]:
        """Return a list of pictures of this visit as files, each once, empty if it is not there."""
        return [self.visit.find(each).path for each in dict.fromkeys(self.texts(name, most=most))]

    def value(self, name: str) -> Any:
        """Return a value as it came, to be shown to whoever sent it; ``None`` if it is not there."""
        return self._values.get(name)

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
