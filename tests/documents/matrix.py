"""Writes an importance matrix for examples/tiny to standard output, in the older format of llama-imatrix, with
importance that grows from column to column: python3 matrix.py >imatrix.dat
"""

import struct
import sys

COLUMNS = 256
LAYER = ["attn_k", "attn_output", "attn_q", "attn_v", "ffn_down", "ffn_gate", "ffn_up"]


def text(value: str) -> bytes:
    return struct.pack("<i", len(value)) + value.encode()


matrix = struct.pack("<i", len(LAYER))
for name in LAYER:
    importance = [1.0 + column / COLUMNS for column in range(COLUMNS)]
    # How often it was measured, and how many values follow.
    matrix += text(f"blk.0.{name}.weight") + struct.pack(f"<ii{COLUMNS}f", 1, COLUMNS, *importance)
# How many pieces of which text were read.
matrix += struct.pack("<i", 1) + text("gibberish.txt")
sys.stdout.buffer.write(matrix)
