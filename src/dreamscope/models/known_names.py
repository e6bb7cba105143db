"""Names people know: what lucid, Keras, Caffe and torchvision call layers, found in the network at hand.

A network is recognised by its layers - their order, types and channels - and not by its own name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from dreamscope.models.layers import Layer

    Layers = Mapping[str, Layer]
    Pairs = Iterator[tuple[str, str]]

_WITH_RELU = "with its ReLU, as in Keras"

# A pattern of names, whose they are, and a model that has such layers.
_ORIGINS = [
    (re.compile(pattern), origin, model)
    for pattern, origin, model in (
        (
            r"mixed[345][a-e](_1x1|_[35]x[35](_bottleneck)?|_pool(_reduce)?)?(_pre_relu)?|conv2d[012](_pre_relu)?"
            r"|maxpool(0|1|4|10)",
            "lucid's GoogLeNet",
            "googlenet",
        ),
        (r"inception_[345][a-e](/\w+)?|(conv|pool)\d/\w+|loss3/classifier", "Caffe's GoogLeNet", "googlenet"),
        (r"inception[345][a-e](\.[\w.]+)?", "torchvision's GoogLeNet", "googlenet"),
        (r"mixed\d+", "Keras' InceptionV3", "inception_v3"),
        (r"mixed_[567][a-e](\.[\w.]+)?", "torchvision's Inception v3", "inception_v3"),
        (r"block\d_(conv\d|pool)|fc[12]", "Keras' VGG16 and VGG19", "vgg19"),
        (r"(conv|relu)\d_\d|pool\d|(fc|relu)[678]", "Caffe's VGG", "vgg19"),
        (r"(conv|relu)[1-5]", "Caffe's AlexNet", "alexnet"),
        (
            r"conv\d_block\d+_(out|add|[0-3]_(conv|bn|relu))|conv1_(conv|bn|relu)|pool1_pool",
            "Keras' ResNet50",
            "resnet50",
        ),
        (r"(res|bn)[2-5]([a-z]|b\d+)(_relu|_branch(1|2[abc]))?", "Caffe's ResNet", "resnet50"),
        (r"layer[1-4](\.[\w.]+)?", "torchvision's ResNet", "resnet50"),
    )
]

# In GoogLeNet's blocks: torchvision's part, lucid's and Caffe's names.
_GOOGLENET_PARTS = (
    ("branch1", "1x1", "1x1"),
    ("branch2.0", "3x3_bottleneck", "3x3_reduce"),
    ("branch2.1", "3x3", "3x3"),
    ("branch3.0", "5x5_bottleneck", "5x5_reduce"),
    ("branch3.1", "5x5", "5x5"),
    ("branch4.1", "pool_reduce", "pool_proj"),
)
_GOOGLENET = {
    **{"3a": 256, "3b": 480},
    **{"4a": 512, "4b": 512, "4c": 512, "4d": 528, "4e": 832},
    **{"5a": 832, "5b": 1024},
}
_INCEPTION_V3 = {
    **{"5b": 256, "5c": 288, "5d": 288},
    **{"6a": 768, "6b": 768, "6c": 768, "6d": 768, "6e": 768},
    **{"7a": 1280, "7b": 2048, "7c": 2048},
}
"""The blocks and their channels."""

_VGG_CONVOLUTIONS = ((1, 1, 2, 2, 2), (2, 2, 2, 2, 2), (2, 2, 3, 3, 3), (2, 2, 4, 4, 4))
_VGG_CHANNELS = [64, 128, 256, 512, 512]
_ALEXNET_CONVOLUTIONS = (1, 1, 3)
_POOLS = ("MaxPool2d", "AvgPool2d")


class Known(NamedTuple):
    """A layer found by another name: its own, and what one should know about it, if anything."""

    layer: str
    remark: str = ""


def find(name: str, layers: Layers) -> Known | None:
    """Return the layer that is known as `name`, or ``None`` if the network has none.

    Parameters
    ----------
    name
        As lucid (``mixed4a``, ``mixed4d_3x3_bottleneck_pre_relu``), Keras (``mixed4``, ``block5_conv1``,
        ``conv4_block3_out``), Caffe (``conv5_1``, ``inception_4a/output``) or torchvision (``features.28``,
        ``Mixed_6b``, ``layer4.2``, in a network that is wrapped otherwise) call it, capital letters or not. Behind it
        may stand the number of steps, as pictures of dreams are called: ``mixed3a_i30``.
    layers
        The network's layers, see `Layer`.
    """
    layer = {known.lower(): own for known, own in names_of(layers).items()}.get(name.lower())
    if layer is not None:
        keras = name.lower().startswith("block") and "_conv" in name.lower()
        return Known(layer, _WITH_RELU if keras else "")
    renamed = _renamed(name)
    if renamed in layers:
        return Known(renamed)
    ending = [each for each in layers if each.endswith(f".{name}")] if "." in name or origin_of(name) else []
    if len(ending) == 1:
        return Known(ending[0])
    steps = re.fullmatch(r"(.+)_i(\d+)", name)
    if steps is None:
        return None
    layer, count = steps.groups()
    found = Known(layer) if layer in layers else find(layer, layers)
    remark = f"i{count} is read as {count} steps, --steps {count}; channel {count} is written {layer}:{count}"
    return found and Known(found.layer, remark)


def origin_of(name: str) -> tuple[str, str] | None:
    """Return whose name of a layer it is, as people say it, and the name of a model that has it; ``None`` of others."""
    return next(((origin, model) for pattern, origin, model in _ORIGINS if pattern.fullmatch(name.lower())), None)


def names_of(layers: Layers) -> dict[str, str]:
    """Return the names that layers of a network are known by -> their own."""
    families = (_googlenet, _inception_v3, _residual, _stack)
    pairs = [pair for family in families for pair in family(layers)]
    return {name: layer for name, layer in pairs if layer in layers and layers[layer].calls == 1}


def _renamed(name: str) -> str:
    """Return torchvision's name of today for one of before: parts of DenseNet's layers and of transformers' MLPs."""
    name = re.sub(r"(denselayer\d+)\.(norm|relu|conv)\.(\d)", r"\1.\2\3", name)
    return re.sub(r"\.mlp\.linear_([12])", lambda found: f".mlp.{3 * (int(found[1]) - 1)}", name)


def _googlenet(layers: Layers) -> Pairs:
    blocks = _of_branches(layers, _GOOGLENET)
    for which, block in blocks.items():
        yield from ((name, block) for name in (f"mixed{which}", f"inception_{which}", f"inception_{which}/output"))
        yield f"inception{which}", block
        yield from ((name, f"{block}.branch4.0") for name in (f"mixed{which}_pool", f"inception_{which}/pool"))
        for part, lucid, caffe in _GOOGLENET_PARTS:
            yield from _around_relu(
                f"{block}.{part}",
                before=(f"mixed{which}_{lucid}_pre_relu", f"inception_{which}/{caffe}"),
                after=(f"mixed{which}_{lucid}", f"inception_{which}/relu_{caffe}"),
            )
    if blocks:
        within = blocks["3a"].rpartition(".")[0]
        prefix = within and f"{within}."
        for number, caffe in enumerate(("conv1/{}7x7_s2", "conv2/{}3x3_reduce", "conv2/{}3x3")):
            before, after = caffe.format(""), caffe.format("relu_").removesuffix("_s2")
            yield from _around_relu(
                f"{prefix}conv{number + 1}",
                before=(f"conv2d{number}_pre_relu", before),
                after=(f"conv2d{number}", after),
            )
        for number, lucid_number in enumerate((0, 1, 4, 10), 1):
            yield from ((n, f"{prefix}maxpool{number}") for n in (f"maxpool{lucid_number}", f"pool{number}/3x3_s2"))
        yield "pool5/7x7_s1", f"{prefix}avgpool"
        yield "loss3/classifier", f"{prefix}fc"


def _inception_v3(layers: Layers) -> Pairs:
    for number, (which, block) in enumerate(_of_branches(layers, _INCEPTION_V3).items()):
        yield from ((name, block) for name in (f"mixed{number}", f"Mixed_{which}"))


def _of_branches(layers: Layers, blocks: Mapping[str, int]) -> dict[str, str]:
    """Return the layers made of branches by the names of `blocks`, if they have as many channels; else nothing."""
    parents = [name.rpartition(".")[0] for name in layers if name.rpartition(".")[2].startswith("branch")]
    found = [layer for layer in layers.values() if parents.count(layer.name) > 1]
    same = [layer.channels for layer in found] == [*blocks.values()]
    return {which: layer.name for which, layer in zip(blocks, found, strict=True)} if same else {}


def _around_relu(part: str, *, before: tuple[str, ...], after: tuple[str, ...]) -> Pairs:
    # The ReLU is a function; what it takes in is put out by the batch norm.
    yield from ((name, f"{part}.bn") for name in before)
    yield from ((name, part) for name in after)


def _residual(layers: Layers) -> Pairs:
    stages: dict[str, list[str]] = {}
    for name in layers:
        stage, _, own = name.rpartition(".")
        if own.isdigit() and f"{name}.conv1" in layers and f"{name}.conv2" in layers:
            stages.setdefault(stage, []).append(name)
    if len(stages) != 4:
        return
    for number, blocks in enumerate(stages.values(), 1):
        for place, block in enumerate(blocks):
            keras = f"conv{number + 1}_block{place + 1}"
            yield from ((name, block) for name in (f"{keras}_out", f"layer{number}.{place}"))
            beside = [layers[name] for name in layers if name.startswith(f"{block}.downsample.")]
            shortcut = [
                next((each.name for each in beside if each.type == kind), "") for kind in ("Conv2d", "BatchNorm2d")
            ]
            # Of many blocks, all but the first are b1, b2 and so on.
            for letter in {chr(ord("a") + place), f"b{place}" if place else "a"}:
                caffe = f"{number + 1}{letter}"
                yield from ((name, block) for name in (f"res{caffe}", f"res{caffe}_relu"))
                for index, branch in enumerate(("branch2a", "branch2b", "branch2c"), 1):
                    yield f"res{caffe}_{branch}", f"{block}.conv{index}"
                    yield f"bn{caffe}_{branch}", f"{block}.bn{index}"
                yield from zip((f"res{caffe}_branch1", f"bn{caffe}_branch1"), shortcut, strict=True)
            for index in (1, 2, 3):
                yield f"{keras}_{index}_conv", f"{block}.conv{index}"
                yield f"{keras}_{index}_bn", f"{block}.bn{index}"
                yield f"{keras}_{index}_relu", f"{block}.act{index}"
            yield from zip((f"{keras}_0_conv", f"{keras}_0_bn"), shortcut, strict=True)
    within = next(iter(stages)).rpartition(".")[0]
    prefix = within and f"{within}."
    for keras, own in (("conv1_conv", "conv1"), ("conv1_bn", "bn1"), ("pool1_pool", "maxpool"), ("conv1_relu", "act1")):
        yield keras, f"{prefix}{own}"
    yield "conv1_relu", f"{prefix}relu"


def _stack(layers: Layers) -> Pairs:
    """Yield the names of VGG's and AlexNet's layers: convolutions with ReLUs and pooling, then fully connected."""
    parents = {name.rpartition(".")[0] for name in layers}
    leaves = [layer for layer in layers.values() if layer.name not in parents]
    pools = [place for place, layer in enumerate(leaves) if layer.type in _POOLS and len(layer.grid) == 2]
    blocks = [leaves[first:last] for first, last in pairwise([0, *(place + 1 for place in pools)])]
    convolutions = [[layer for layer in block if layer.type == "Conv2d"] for block in blocks]
    counts = tuple(len(block) for block in convolutions)
    channels = [block[-1].channels for block in convolutions if block]
    vgg = counts in _VGG_CONVOLUTIONS and channels == _VGG_CHANNELS
    alexnet = counts == _ALEXNET_CONVOLUTIONS and convolutions[0][0].receptive_field == (11, 11)
    if not (vgg or alexnet):
        return
    stacked = [layer for block in blocks for layer in block]
    yield from ((f"features.{place}", layer.name) for place, layer in enumerate(stacked))
    total = 0
    for number, block in enumerate(blocks, 1):
        place = 0
        for layer in block:
            total, place = (total + 1, place + 1) if layer.type == "Conv2d" else (total, place)
            which = f"{number}_{place}" if vgg else f"{total}"
            if layer.type == "Conv2d":
                yield f"conv{which}", layer.name
            elif layer.type == "ReLU":
                yield f"relu{which}", layer.name
                if vgg:
                    yield f"block{number}_conv{place}", layer.name
        yield f"pool{number if vgg else total}", block[-1].name
        if vgg:
            yield f"block{number}_pool", block[-1].name
    yield from _fully_connected(leaves[len(stacked) :])


def _fully_connected(layers: list[Layer]) -> Pairs:
    # timm writes the first two as convolutions.
    weighted = [layer.name for layer in layers if layer.type in ("Linear", "Conv2d")]
    relus = [layer.name for layer in layers if layer.type == "ReLU"]
    if len(weighted) == 3:
        yield from ((f"fc{number}", name) for number, name in enumerate(weighted, 6))
        if len(relus) == 2:
            yield from ((f"relu{number}", name) for number, name in enumerate(relus, 6))
            yield from ((f"fc{number}", name) for number, name in enumerate(relus, 1))
