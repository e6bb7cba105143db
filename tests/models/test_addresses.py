from __future__ import annotations

import pytest

from dreamscope.errors import DreamscopeError
from dreamscope.models.addresses import Address, resolve
from dreamscope.models.classifier import Classifier


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("features.28", Address("features.28")),
        ("features.28:40", Address("features.28", (40,))),
        ("features.28:3,7-9", Address("features.28", (3, 7, 8, 9))),
        ("features.28:9,3,3", Address("features.28", (3, 9))),
        ("mixed4a:476@7,7", Address("mixed4a", (476,), (7, 7))),
        ("mixed4a@0,12", Address("mixed4a", None, (0, 12))),
        ("0.5*features.28:40", Address("features.28", (40,), None, 0.5)),
        ("-1*a", Address("a", weight=-1)),
        (".5 * a : 1 @ 2, 3", Address("a", (1,), (2, 3), 0.5)),
        ("2e-3*a.b_c-d.0", Address("a.b_c-d.0", weight=0.002)),
        ("features.*", Address("features.*")),
        ("33", Address("33")),
    ],
)
def test_parse(text: str, expected: Address) -> None:
    assert Address.parse(text) == expected
    assert Address.parse(str(expected)) == expected
    assert Address.parse(expected) is expected


@pytest.mark.parametrize(
    "text",
    ["", ":3", "a:", "a:x", "a:3-", "a:1,,2", "a@1", "a@1,2,3", "a@-1,0", "a b", "a:9-7", "a:1-99999999"],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(DreamscopeError):
        Address.parse(text)


def test_a_backward_range_is_turned_around_in_the_message() -> None:
    with pytest.raises(DreamscopeError, match="did you mean 7-9"):
        Address.parse("a:9-7")


@pytest.mark.parametrize(
    ("channels", "text"), [((3, 7, 8, 9), "3,7-9"), ((1, 2), "1,2"), ((0,), "0"), (tuple(range(5)), "0-4")]
)
def test_text_writes_ranges(channels: tuple[int, ...], text: str) -> None:
    assert str(Address("a", channels)) == f"a:{text}"


def test_resolve_names(vgg: Classifier) -> None:
    assert resolve(["0.5*features.0:1-2"], vgg) == [Address("features.0", (1, 2), None, 0.5)]


def test_resolve_takes_one_and_none(vgg: Classifier) -> None:
    assert resolve("features.0:1-2", vgg) == resolve(["features.0:1-2"], vgg)
    assert resolve(Address("features.*"), vgg) == resolve(["features.*"], vgg)
    assert resolve(None, vgg) == [Address(vgg.default_address)]


def test_globs_spread_in_forward_order(vgg: Classifier) -> None:
    assert [a.layer for a in resolve(["2*features.*:3"], vgg)] == [f"features.{i}" for i in range(6)]
    assert {a.weight for a in resolve(["2*features.*:3"], vgg)} == {2}
    assert [a.layer for a in resolve(["features.[03]"], vgg)] == ["features.0", "features.3"]


def test_bare_index_in_a_plain_stack_only(vgg: Classifier, residual: Classifier) -> None:
    assert resolve(["3"], vgg) == [Address("features.3")]
    with pytest.raises(DreamscopeError, match="no layer '3'"):
        resolve(["3"], residual)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("feature.3", r"no layer 'feature.3' in Vgg; did you mean 'features\.3'.*List them: dreamscope layers Vgg"),
        ("nothing.*", "no layer of Vgg matches"),
        ("99", "no layer '99'"),
        ("features.0:8", r"channel 8 is out of range: 'features.0' of Vgg has 8 channels, 0-7"),
        ("features.*:9", "channel 9 is out of range: 'features.0'"),
    ],
)
def test_resolve_refuses(vgg: Classifier, text: str, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        resolve([text], vgg)


def test_no_address_at_all(vgg: Classifier) -> None:
    with pytest.raises(DreamscopeError, match="no address given"):
        resolve([], vgg)


def test_a_layer_that_never_runs(tokens: Classifier) -> None:
    # torch's attention uses its projection's weight without calling the module.
    with pytest.raises(DreamscopeError, match=r"attention\.out_proj' .* does not run"):
        resolve(["attention.out_proj"], tokens)


@pytest.mark.parametrize("weight", [1.0, 2.0, 0.1, 1.23456789, -0.5, 1e-7, 1e22])
def test_every_digit_of_a_weight_is_written(weight: float) -> None:
    address = Address("features.1", weight=weight)
    assert Address.parse(str(address)) == address
    assert str(Address("features.1", weight=2.0)) == "2*features.1"
