"""Activation patching: how do a temple's logits change with a flower's activations in half of a layer's channels?"""

import dreamscope as ds

model, classes = ds.load("efficientnet_lite0"), {"palace": 698, "daisy": 985}
china = model.prepared(ds.read_image("sample:china"))
for at in ("blocks.2.1:0-19", "blocks.4.2:0-55", "blocks.6.0:0-159", "bn2.act:0-639"):
    change = model.edited(ds.patch(model, "sample:flower", at)).logits(china)[0] - model.logits(china)[0]
    print(at, ", ".join(f"{name} {change[index]:+.2f}" for name, index in classes.items()))
