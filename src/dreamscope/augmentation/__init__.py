"""Augmentation: photos without a thing, dreamt towards what photos with it have in common; and what that is worth."""
