"""The subject: classifiers, where they come from, their layers and addresses."""
