"""Bytes to bytes: the blocks and tags that picture files are made of."""
