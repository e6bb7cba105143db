"""What an atlas is made of, a module for each kind of item: what there is to make, and how one is made."""
