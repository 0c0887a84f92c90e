"""One module per format; each ends with its `FORMAT`. The list of all formats is in `registry.py`."""
