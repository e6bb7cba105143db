"""Climb the weights of a small network that paints: an image without pixels of its own."""

import dreamscope as ds

model, image = ds.load("efficientnet_lite0"), ds.CPPN(160, seed=1)
(found,) = ds.visualize(model, "class:daisy", parameterization=image, steps=96, recipe=False)
found.save("cppn.png")
