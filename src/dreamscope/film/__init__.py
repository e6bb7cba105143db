"""Films: files in and out, and the films of ascents, sheets and blindings."""
