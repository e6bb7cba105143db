"""How little must change for the classifier to see something else."""
