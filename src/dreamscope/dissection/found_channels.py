"""Found channels: those that `dissect` or `blind` found for a class, read from its file to be looked at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dreamscope import files
from dreamscope.dissection.scores import ChannelScores
from dreamscope.errors import DreamscopeError, did_you_mean
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.recipes import Recipe


@dataclass(frozen=True)
class FoundChannels:
    """The channels that carry a class, by scores or by a blinding.

    Attributes
    ----------
    addresses : tuple of Address
        One channel each, the strongest first: those with a score above 0, or those that were removed.
    path : Path
        The file.
    scores : ChannelScores or None
        What the file holds, if it is scores.
    recipe : Recipe or None
        What made it.
    """

    addresses: tuple[Address, ...]
    path: Path
    scores: ChannelScores | None
    recipe: Recipe | None

    @classmethod
    def load(cls, path: str | Path) -> FoundChannels:
        """Read the scores that `dissect` wrote, or the ``.json`` report of a blinding.

        Raises
        ------
        DreamscopeError
            If there is no such file, it is something else, or holds no channels.
        """
        path = files.existing_file(path, "file of channels")
        try:
            content = json.loads(path.read_text("utf-8"))
            if "dreamscope_scores" in content:
                scores = ChannelScores.load(path)
                addresses = tuple(scores.address(place) for place in scores.ranking().tolist())
                recipe = scores.recipe
            else:
                scores, recipe = None, _recipe(content["recipe"])
                addresses = tuple(
                    Address.parse(each["address"]) for each in content["removed"] if each["number"] is None
                )
                if content["removed"] and not addresses:
                    raise DreamscopeError(
                        f"'{path}' erased directions, not channels; visualize and exemplars show them: --directions"
                    )
        except (ValueError, KeyError, TypeError) as error:
            raise DreamscopeError(
                f"'{path}' holds no channels; give scores of dreamscope dissect -o, or the .json report of a blinding"
            ) from error
        if not addresses:
            raise DreamscopeError(f"'{path}' holds no channel that carries the class")
        return cls(addresses, path, scores, recipe)

    def first(self, count: int) -> FoundChannels:
        """Return the strongest of them."""
        return replace(self, addresses=self.addresses[:count])

    def texts(self) -> list[str]:
        """Return the addresses as texts."""
        return [str(address) for address in self.addresses]

    def total(self) -> str:
        """Return their sum as a text: the channels of a layer together, each channel counting the same.

        As ``2*blocks.5.1:3,17 + blocks.5.3:40``; those of one layer one by one, since an address that stands alone is a
        target for each of its channels.
        """
        by_layer: dict[str, list[int]] = {}
        for address in self.addresses:
            by_layer.setdefault(address.layer, []).extend(address.channels or ())
        if len(by_layer) == 1:
            return " + ".join(self.texts())
        # The mean over a layer's channels, times how many there are.
        terms = [Address(layer, tuple(sorted(each)), weight=float(len(each))) for layer, each in by_layer.items()]
        return " + ".join(map(str, terms))

    def check(self, model: Classifier) -> None:
        """Raise a `DreamscopeError` if they are channels of another network."""
        if self.scores is not None:
            self.scores.check(model, str(self.path))
        named = "another network" if self.recipe is None else self.recipe.model.get("name", "another network")
        for address in self.addresses:
            known = address.layer in model.layers
            if not known or model.layers[address.layer].channels <= max(address.channels or (0,)):
                raise DreamscopeError(
                    f"'{self.path}' is of {named}, not of {model.name}: no '{address}' here"
                    + ("" if known else did_you_mean(address.layer, model.layers))
                )


def _recipe(content: Mapping[str, Any] | None) -> Recipe | None:
    return None if content is None else Recipe.from_json(json.dumps(content))
