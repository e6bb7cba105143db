"""Run the benchmarks: ``python -m benchmarks [--json FILE] [CASE ...]``."""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from benchmarks import (
    classes,
    coherence,
    contestants,
    exemplars,
    explaining,
    films,
    fooling,
    rising,
    starting,
    streams,
)
from benchmarks.clock import Times, interleaved
from dreamscope.cli.allocator import keep_freed_memory
from dreamscope.models.classifier import Classifier
from dreamscope.models.registry import load

FORMS = {
    f"{str(dtype).removeprefix('torch.')}/{name}": (dtype, memory)
    for dtype in (torch.float32, torch.bfloat16)
    for name, memory in (("contiguous", torch.contiguous_format), ("channels_last", torch.channels_last))
}
Row = dict[str, Any]
GOALS = {"torch-lucent": ">= 3.5", "torch-dreams": ">= 4"}


def beside_floor(model: Classifier, layer: str, goal: float, *, steps: int, rounds: int) -> list[Row]:
    """Step time over that of the best of four plain PyTorch loops, 512 px."""
    picture = torch.rand((1, 3, 512, 512), generator=torch.Generator().manual_seed(0))
    runs = {"dreamscope": contestants.dreamscope(model, layer, picture)}
    runs |= {f"floor {name}": contestants.floor(model, layer, picture, *form) for name, form in FORMS.items()}
    times = interleaved(runs, steps=steps, rounds=rounds)
    best = min((name for name in times if name != "dreamscope"), key=lambda name: times[name].median)
    work = f"step / floor, {model.name} {layer}, 512 px"
    return [_row(work, times["dreamscope"], times[best], f"<= {goal}", times)]


def beside_write_ups(*, steps: int, rounds: int) -> list[Row]:
    """The write-ups' loop over dreamscope, 224 px."""
    model = load("oxford_vgg19")
    picture = torch.rand((1, 3, 224, 224), generator=torch.Generator().manual_seed(0))
    runs = {
        "dreamscope": contestants.dreamscope(model, "features.33", picture, loss="norm"),
        "write-ups": contestants.write_ups("features.33", picture, model.module.get_submodule("features")),
    }
    times = interleaved(runs, steps=steps, rounds=rounds)
    work = "write-ups' loop / dreamscope, oxford_vgg19 features.33, 224 px"
    return [_row(work, times["write-ups"], times["dreamscope"], ">= 4", times)]


def beside_peers(*, steps: int, rounds: int) -> list[Row]:
    """torch-lucent and torch-dreams over dreamscope, one channel, 224 px."""
    model, layer = inception(), "Mixed_6b"
    channel, side = 12, 224
    picture = torch.rand((1, 3, side, side), generator=torch.Generator().manual_seed(0))
    runs = {"dreamscope": contestants.dreamscope(model, f"{layer}:{channel}", picture, loss="mean")}
    for name, make in (("torch-lucent", contestants.lucent), ("torch-dreams", contestants.torch_dreams)):
        try:
            runs[name] = make(model, layer, channel, side)
        except ImportError:
            print(f"  {name} is not installed: pip install -e '.[bench]'")
    times = interleaved(runs, steps=steps, rounds=rounds)
    return [
        _row(f"{name} / dreamscope, {model.name} {layer}, 224 px", times[name], times["dreamscope"], GOALS[name], times)
        for name in runs
        if name != "dreamscope"
    ]


def inception() -> Classifier:
    """Return InceptionV3 with the weights beside the project, or untrained."""
    file = Path(__file__).parents[2] / "shared" / "weights" / "inception_v3.safetensors"
    return load("inception_v3", weights=file if file.exists() else "none")


def started() -> list[Row]:
    """Whole commands beside importing torch."""
    times = starting.measure()
    torch_, dream = times["import torch"], times["the dream itself"]
    both = Times(tuple(a + b for a, b in zip(torch_.rounds, dream.rounds, strict=True)))
    return [
        _row("classify sample:china, second run / import torch", times["classify"], torch_, "<= 1.3", times),
        *(_plain(f"seconds, dreamscope {name}", times[name].median, "<= 0.25") for name in starting.HELP),
        _row(
            "dream sample:china --size 512, second run / (import torch + dream)", times["dream"], both, "<= 1.15", times
        ),
    ]


def risen() -> list[Row]:
    """Rise of the objective a second and a step, chosen precision over float32, five photos."""
    found = rising.measure(inception(), "Mixed_6b")
    work = f"rise, inception_v3 Mixed_6b, 512 px, {len(found)} photos, auto / float32: "
    second, step = ([getattr(each, name) for each in found] for name in ("a_second", "a_step"))
    return [
        _plain(work + "a second", statistics.median(second), ">= 1.6", least=round(min(second), 3)),
        _plain(work + "a step", statistics.median(step), ">= 0.93", least=round(min(step), 3)),
    ]


def batches(model: Classifier, layer: str, *, steps: int, rounds: int) -> list[Row]:
    """One batch of 16 channels over 16 single ones, 128 px."""
    channels = list(range(16))
    runs = {
        "batch": contestants.batch(model, layer, channels, 128),
        "singly": contestants.singly(model, layer, channels, 128),
    }
    times = interleaved(runs, steps=steps, rounds=rounds)
    work = f"one batch of 16 channels / 16 single ones, {model.name} {layer}, 128 px"
    return [_row(work, times["batch"], times["singly"], "<= 0.6", times)]


def large_pictures() -> list[Row]:
    """Peak memory of a 4096x4096 step with 2 GB, and its time a megapixel over that of 1024x1024."""
    ran = subprocess.run([sys.executable, "-m", "benchmarks.large"], check=True, capture_output=True, text=True)
    seen = json.loads(ran.stdout)
    ratios = [seen["large"] / small for small in seen["small"]]
    peak = round(seen["peak_gb"], 2)
    times = {"1 MP": round(1e3 * min(seen["small"])), "16 MP": round(1e3 * seen["large"])}
    return [
        {
            "work": "peak GB above idle of a 4096x4096 step, oxford_vgg19, --memory 2GB",
            "goal": "<= 2",
            "ratio": peak,
            "spread": [peak, peak],
            "milliseconds": {"tile": seen["tile"]},
        },
        {
            "work": "seconds a megapixel, 16 MP / 1 MP",
            "goal": "<= 1.15",
            "ratio": round(sum(ratios) / len(ratios), 3),
            "spread": [round(min(ratios), 3), round(max(ratios), 3)],
            "milliseconds": times,
        },
    ]


def many_photos() -> list[Row]:
    """Statistics of all channels over plain inference, 10,000 photos, and how memory grows from 1,000 on."""
    model = load("efficientnet_lite0")
    times, first, all_ = streams.measure(model)
    growth = round(all_ / first, 3)
    work = f"contrast / plain inference, {model.name}, {streams.COUNT} photos"
    return [
        _row(work, times["contrast"], times["plain"], "<= 1.15", times),
        {
            "work": "peak memory after 10,000 photos / after 1,000",
            "goal": "<= 1.1",
            "ratio": growth,
            "spread": [growth, growth],
            "milliseconds": {"GB": round(all_, 2)},
        },
    ]


def class_images(count: int, who: Callable[..., tuple[torch.Tensor, float]], file: str) -> list[Row]:
    """Pictures of drawn classes, judged by other networks, and the seconds an image."""
    model, indices = load("efficientnet_lite0"), classes.drawn(count)
    pictures, seconds = who(model, indices)
    print(f"  {classes.shown(pictures, indices, model, Path(file))}")
    goals = {"resnet50": 0.95, "inception_v3": 0.8, "googlenet": 0.6}
    rows = [_plain(f"seconds an image of a class, {who.__name__}, {count} classes", seconds, "<= 5")]
    for name, judge in classes.judges().items():
        first, five = classes.judged(pictures, indices, judge)
        goal = f">= {goals[name]}" if name in goals else "none"
        rows.append(_plain(f"taken for the right class by {name}, {who.__name__}", first, goal, top_5=round(five, 3)))
    return rows


def least_changes(count: int = 20) -> list[Row]:
    """Success and median length of the changes that fool, beside foolbox's shortest."""
    model = load("efficientnet_lite0")
    wanted = fooling.pairs(model, count)
    made = fooling.ours(model, wanted)
    rows = [_plain(f"fooled, read back from PNG, {count} photos", sum(did for did, _ in made) / count, ">= 1")]
    ours = statistics.median(length for _, length in made)
    try:
        peers = fooling.foolboxes(model, wanted)
    except ImportError:
        print("  foolbox is not installed: pip install -e '.[bench]'")
        return [*rows, _plain("median L2 of the change", ours, "none")]
    best = [min(lengths) for lengths in zip(*peers.values(), strict=True)]
    medians = {name: round(statistics.median(lengths), 4) for name, lengths in peers.items()}
    work = "median L2, dreamscope on 8 bits / foolbox's best on floats"
    return [*rows, _plain(work, ours / statistics.median(best), "<= 1", dreamscope=round(ours, 4), **medians)]


def patches() -> list[Row]:
    """Exemplars of all channels of a stage over plain inference of as many photos."""
    model = load("efficientnet_lite0")
    times = exemplars.measure(model)
    work = f"exemplars / plain inference, {model.name} {exemplars.STAGE}, {exemplars.COUNT} photos"
    beside = exemplars.beside_bare_loop(model)
    speed = f"photos a second, exemplars --at '{exemplars.STAGE}*', 2000 JPEGs of 500 px / a bare loop of 2 processes"
    return [
        _row(work, times["exemplars"], times["plain"], "<= 1.2", times),
        _row(speed, beside["bare loop"], beside["exemplars"], ">= 0.9", beside),
    ]


def covered() -> list[Row]:
    """Occlusion at stride 8 over plain inference of as many pictures, of the network as it is and folded."""
    times = explaining.occlusion(load("efficientnet_lite0"))
    work = "occlusion, window 32, stride 8, 224 px / inference of as many images, "
    return [_row(work + name, times["occlusion"], times[name], "<= 1.3", times) for name in ("plain", "same form")]


def warm() -> list[Row]:
    """An explanation with everything prepared."""
    times = explaining.warm(load("efficientnet_lite0"))
    work = "explain with gradcam on a warm model, efficientnet_lite0, 224 px / forward and backward"
    return [_row(work, times["gradcam"], times["forward and backward"], "<= 1.3", times)]


def faithful(count: int = 100) -> list[Row]:
    """Insertion minus deletion area of each explanation, beside noise and edges."""
    found = explaining.areas(load("efficientnet_lite0"), explaining.drawn(count))
    return [
        _plain(
            f"insertion - deletion area, {name}, {count} photos",
            each.insertion - each.deletion,
            "none",
            insertion=round(each.insertion, 3),
            deletion=round(each.deletion, 3),
            better_than_both_baselines=each.wins,
            seconds=round(each.seconds, 2),
        )
        for name, each in found.items()
    ]


def zooms() -> list[Row]:
    """Peak memory of a 10 s zoom over that of a 2 s one, seconds a frame, and whether the file is as it should be."""
    found = films.measure()
    long = found[f"{films.LONG} s"]
    ratio = found["peak, long / short"]
    work = f"{films.LONG} s of zoom, {films.SIDE} px, {films.FPS} fps"
    return [
        _plain(f"peak memory, {work} / {films.SHORT} s", ratio, "<= 1.1", MB=long["peak MB"]),
        _plain(f"seconds a frame, {work}", long["seconds a frame"], "none", right=long["as it should be"]),
    ]


def moving() -> list[Row]:
    """Warp error between successive dreamt frames over that of independent dreams."""
    found = coherence.measure(load("efficientnet_lite0"))
    ratio = found.pop("coherent / independent")
    return [_plain("warp error, dreamt clip / independent dreams", ratio, "<= 0.5", **found)]


def _plain(work: str, value: float, goal: str, **beside: float) -> Row:
    value = round(value, 3)
    return {"work": work, "goal": goal, "ratio": value, "spread": [value, value], "milliseconds": beside}


def _row(work: str, over: Times, under: Times, goal: str, times: dict[str, Times]) -> Row:
    ratio, low, high = over.ratio(under)
    return {
        "work": work,
        "goal": goal,
        "ratio": round(ratio, 3),
        "spread": [round(low, 3), round(high, 3)],
        "milliseconds": {name: round(each.median * 1e3, 1) for name, each in times.items()},
    }


CASES: dict[str, Callable[[], list[Row]]] = {
    "vgg19": lambda: beside_floor(load("oxford_vgg19"), "features.28", 1.05, steps=2, rounds=5),
    "lite0": lambda: beside_floor(load("efficientnet_lite0"), "blocks.4.2", 0.65, steps=20, rounds=7),
    "resnet50": lambda: beside_floor(load("resnet50", weights="none"), "layer3", 0.80, steps=3, rounds=7),
    "write-ups": lambda: beside_write_ups(steps=3, rounds=5),
    "batches": lambda: [
        *batches(load("efficientnet_lite0"), "blocks.4.2", steps=8, rounds=5),
        *batches(load("oxford_vgg19"), "features.28", steps=2, rounds=3),
    ],
    "large": large_pictures,
    "photos": many_photos,
    "classes": lambda: class_images(40, classes.ours, "classes.png"),
    "classes-lucent": lambda: class_images(20, classes.lucents, "classes-lucent.png"),
    "fooling": least_changes,
    "exemplars": patches,
    "occlusion": covered,
    "warm": warm,
    "explaining": faithful,
    "films": zooms,
    "coherence": moving,
    "starting": started,
    "rising": risen,
    "peers": lambda: beside_peers(steps=20, rounds=3),
}


def about() -> Row:
    """Return the date, the machine and the versions that numbers hold for."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        processor = next(iter(names), processor)
    packages = ("dreamscope", "torch", "torchvision", "timm", "torch-lucent", "torch-dreams")
    versions = {name: metadata.version(name) for name in packages if _installed(name)}
    return {"date": str(date.today()), "processor": processor, "threads": torch.get_num_threads(), **versions}


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def main() -> None:
    """Run the cases named on the command line, or all; print a table, and JSON on request."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; all if none")
    parser.add_argument("--json", metavar="FILE", help="write everything measured there")
    given = parser.parse_args()
    unknown = [name for name in given.cases if name not in CASES]
    if unknown:
        sys.exit(f"no case '{unknown[0]}'; there are {', '.join(CASES)}")
    # For all alike, as the command line does.
    keep_freed_memory()
    rows: list[Row] = []
    for name in given.cases or CASES:
        print(f"{name} ...", flush=True)
        for row in CASES[name]():
            rows.append(row)
            print(f"  {row['work']}: {row['ratio']} (goal {row['goal']})", flush=True)
    facts = about()
    print("\n" + ", ".join(f"{key} {value}" for key, value in facts.items()) + "\n")
    print("| work | goal | seen (lowest - highest) | milliseconds a step |\n|---|---|---|---|")
    for row in rows:
        times = ", ".join(f"{who} {value}" for who, value in row["milliseconds"].items())
        low, high = row["spread"]
        print(f"| {row['work']} | {row['goal']} | {row['ratio']} ({low} - {high}) | {times} |")
    if given.json:
        Path(given.json).write_text(json.dumps({"about": facts, "rows": rows}, indent=2), "utf-8")


if __name__ == "__main__":
    main()
