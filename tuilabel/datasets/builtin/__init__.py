"""Datasets known by name: catalogue, download, formats and the cache of decoded images."""
