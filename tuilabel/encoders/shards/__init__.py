"""Latents of pools that are larger than a machine: a folder of Parquet files, each encoded on its own.

`plan` divides the listing of a source into shards, `frozen` is an encoder that no longer depends on the pool, `worker`
encodes one shard, `engines` run workers here or on a Ray cluster, and `folder` is where everything is written.
"""
