"""What the commands do, without a screen: plain arguments, progress by callback, results as frozen dataclasses."""
