"""The microscope: an atlas of a classifier - every channel, layer and class, with what is known of it."""
