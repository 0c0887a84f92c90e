"""Your own latents, in tables of vectors.

`open` opens a file of any of the formats, `placing` finds the image of each row, `encoder` is the encoder that uses
both, and `write` writes tables that it reads.
"""
