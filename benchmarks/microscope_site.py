"""The pages of an atlas of 10,000 channels: the time to write them, their size, and how fast a browser shows them.

``python -m benchmarks.microscope_site [--channels N] [--folder FOLDER] [--browser PATH] [--json FILE]``. The store is
filled with small pictures and random numbers; the pages are opened as files. Paint times are the browser's own, search
times from a key being struck to the results being laid out.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from dreamscope.microscope.about import KEY as ABOUT
from dreamscope.microscope.items.base import Made
from dreamscope.microscope.photo_pass import KEY as PHOTOS
from dreamscope.microscope.photo_statistics import PhotoStatistics
from dreamscope.microscope.site import Site
from dreamscope.microscope.store import Store
from dreamscope.photos import Photo

CHANNELS, LAYERS, CLASSES, KEPT = 10_000, 20, 1000, 2000
TOP, AT_ONCE = 9, 64
SEARCHES = ("layers.07:1", "kind 42", "kind", "mean>0.5", "layers.1 mean>0.2", "nothing at all")


def fill(store: Store, channels: int) -> None:
    """Fill a store with what looks like an atlas."""
    random = np.random.default_rng(0)
    width = channels // LAYERS
    layers = {f"layers.{number:02}": width for number in range(LAYERS)}
    squares = [_webp(random.integers(0, 255, (32, 32, 3), dtype=np.uint8)) for _ in range(64)]
    strips = [_webp(random.integers(0, 255, (16, 16 * TOP, 3), dtype=np.uint8)) for _ in range(64)]
    window = {"grid": [14, 14], "size": [60, 60], "start": [-22, -22], "stride": [16, 16]}
    about = [
        {"name": name, "type": "Block", "channels": width, "grid": [14, 14], "field": [60, 60], "window": window}
        for name in layers
    ]
    facts = {
        **{"model": "synthetic", "labels": [f"kind {number}" for number in range(CLASSES)], "input": [224, 224]},
        **{"parameters": 10**7, "layers": about, "side": 32, "top": TOP, "sets": ["photos"]},
    }
    store.add(ABOUT, "0", Made(facts=facts))
    store.add(PHOTOS, "0", Made(_statistics(layers).numbers(Path()), facts={"shards": 1, "count": KEPT, "done": True}))
    for place, name in enumerate(layers):
        for start in range(0, width, AT_ONCE):
            part = range(start, min(width, start + AT_ONCE))
            for sign in ("most", "least"):
                pictures = {f"pictures/{name}/{each}-{sign}": squares[each % 64] for each in part}
                reached = random.random(len(part)).astype(np.float32)
                key = f"channel-pictures/{name}/{sign}/{start}-{part[-1]}"
                store.add(key, "0", Made({"reached": reached}, pictures))
            pictures = {f"exemplars/{name}/{each}": strips[(each * 7 + place) % 64] for each in part}
            store.add(f"exemplars/{name}/{start}-{part[-1]}", "0", Made(pictures=pictures))
        wiring = {"serves": random.integers(0, CLASSES, (width, 8)), "serves_weights": random.normal(size=(width, 8))}
        wiring |= {"feeds": random.integers(0, width, (width, 6)), "feeds_weights": random.normal(size=(width, 6))}
        store.add(f"wiring/{name}", "0", Made(wiring))
        trust = {key: random.random(width) for key in ("picture", "photos", "random")}
        store.add(f"trust/{name}", "0", Made({**trust, "other_path": random.random(width) < 0.3}))
    for start in range(0, KEPT, AT_ONCE):
        part = range(start, min(KEPT, start + AT_ONCE))
        seen = {
            str(each): {"name": f"{each}.jpg", "class": each % CLASSES, "answers": [[each % CLASSES, 0.9], [1, 0.05]]}
            for each in part
        }
        pictures = {f"photos/{each}": squares[each % 64] for each in part}
        store.add(f"photo-views/{start}-{part[-1]}", "0", Made(pictures=pictures, facts={"photos": seen}))
    for index in range(CLASSES):
        speaking = [[f"layers.{each:02}:{index % width}", 0.5] for each in range(12)]
        facts = {"label": f"kind {index}", "channels": speaking, "photos": [index], "blind": None}
        store.add(f"class/{index}", "0", Made(pictures={f"classes/{index}": squares[index % 64]}, facts=facts))


def _statistics(layers: dict[str, int]) -> PhotoStatistics:
    torch.manual_seed(0)
    found = PhotoStatistics(dict(layers), TOP, KEPT)
    total = sum(layers.values())
    for _ in range(8):
        means = torch.randn(KEPT // 8, total) * 0.4 + torch.linspace(-0.5, 1, total)
        found.responses.add(means, means.abs())
    for best in found.best.values():
        values = torch.rand(len(best.values) or next(iter(layers.values())), TOP).sort(1, descending=True).values * 9
        chosen = torch.randint(0, KEPT, values.shape)
        state = {"values": values, "shown": values, "means": values, "photos": chosen, "places": chosen % 196}
        best.restore(state)
    found.kept = {number: (Photo(Path(f"photos/{number}.jpg")), number % CLASSES) for number in range(KEPT)}
    return found


def _webp(pixels: np.ndarray[Any, Any]) -> bytes:
    memory = io.BytesIO()
    Image.fromarray(pixels).save(memory, "WEBP", quality=30)
    return memory.getvalue()


def shown(folder: Path, browser: str, rounds: int) -> dict[str, float]:
    """Return times of the pages in a browser, in ms."""
    from playwright.sync_api import sync_playwright

    found: dict[str, float] = {}
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        pages = {
            "first page": "index.html",
            "layer": "layers/layers.10/index.html",
            "channel": "layers/layers.10/7.html",
        }
        for name, path in {**pages, "classes": "classes/index.html"}.items():
            paints = []
            for _ in range(rounds):
                # A context of its own: nothing is kept from the last time.
                context = opened.new_context(viewport={"width": 1440, "height": 900})
                page = context.new_page()
                page.goto((folder / path).resolve().as_uri())
                page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
                paints.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
                context.close()
            found[f"first paint, {name}"] = statistics.median(paints)
        page = opened.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.goto((folder / "index.html").resolve().as_uri())
        before = time.perf_counter()
        page.focus("#query")
        page.wait_for_function("window.dreamscopeSearch")
        found["search data loaded"] = 1000 * (time.perf_counter() - before)
        for text in SEARCHES:
            times = [
                page.evaluate(
                    """text => new Promise(done => {
                    const box = document.querySelector("#query");
                    box.value = text;
                    const before = performance.now();
                    box.dispatchEvent(new Event("input"));
                    const laid = () => document.querySelector("#found").offsetHeight;
                    setTimeout(() => { laid(); done(performance.now() - before); });
                    })""",
                    text,
                )
                for _ in range(rounds)
            ]
            found[f"search '{text}'"] = statistics.median(times)
        opened.close()
    return found


def main() -> None:
    """Fill a store, write its pages, look at them, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channels", type=int, default=CHANNELS)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--browser", default=shutil.which("chromium") or "chromium")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        if not (folder / "data").exists():
            with Store(folder / "data") as store:
                fill(store, given.channels)
        store, site = Store(folder / "data"), Site(folder)
        written, again = site.write(store), site.write(store)
        other = Site(folder).write(store)
        assert written is not None
        assert again is not None
        assert other is not None
        sizes = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
        own = {path: size for path, size in sizes.items() if "data" not in path.relative_to(folder).parts}
        figures: dict[str, float] = {
            "channels": given.channels,
            "pages": written.pages,
            "written (s)": round(written.seconds, 2),
            "written again, nothing new (s)": round(again.seconds, 2),
            "the same in another process (s)": round(other.seconds, 2),
            "pages and scripts (MB)": round(sum(own.values()) / 1e6, 2),
            "first page (kB)": round(sizes[folder / "index.html"] / 1e3, 1),
            "search.js (kB)": round(sizes[folder / "search.js"] / 1e3, 1),
        }
        figures |= {
            f"{name} (ms)": round(value, 1) for name, value in shown(folder, given.browser, given.rounds).items()
        }
    for name, value in figures.items():
        print(f"{name:45} {value:>10}")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
