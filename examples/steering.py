"""Steering: add the mean difference of two photos' activations, and a temple becomes a daisy."""

import dreamscope as ds

model, layer = ds.load("efficientnet_lite0"), "blocks.6.0"
with ds.probe(model, layer) as seen:
    photos = [model.prepared(ds.read_image(f"sample:{name}")) for name in ("china", "flower")]
    china, flower = (seen(photo)[layer].mean((0, 2, 3)) for photo in photos)
for strength in (0.0, 0.5, 1.0, 2.0):
    (found,) = model.edited(ds.Add(layer, flower - china, strength)).classify(photos[0], top=3)
    print(strength, ", ".join(f"{each.label} {each.probability:.0%}" for each in found))
