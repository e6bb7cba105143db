"""The studio: all of dreamscope in a browser, live. It computes through the techniques' public functions alone."""
