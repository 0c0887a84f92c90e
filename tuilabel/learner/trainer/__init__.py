"""The trainer: its processes, their messages, and one round of training and querying."""
