"""What the commands do with a project, without a screen: plain arguments in, dataclasses out."""
