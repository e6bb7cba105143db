"""Pictures from noise, and from activations alone."""
