"""The quantisation of a GGUF model, by the names of llama.cpp."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from runtimes.frameworks.llamacpp.gguf import Header

FILE_TYPE = "general.file_type"
GUESSED = 1024  # added to a number that llama.cpp itself had to guess
# Numbers of llama_ftype
FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1",
    10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M",
    16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S",
    22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M",
    28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0",
    37: "TQ2_0", 38: "MXFP4",
}  # fmt: skip
# Numbers of ggml_type, as far as weights have them
TENSOR_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0",
    10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 16: "IQ2_XXS",
    17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S",
    23: "IQ4_XS", 29: "IQ1_M", 30: "BF16", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
}  # fmt: skip


def quantisation_of(headers: Sequence[Header]) -> str:
    """As stated in the file, else the type of most of its bytes; empty: unknown."""
    file_type = headers[0].values.get(FILE_TYPE)
    if isinstance(file_type, int) and file_type % GUESSED in FILE_TYPES:
        return FILE_TYPES[file_type % GUESSED]
    sizes: Counter[int] = Counter()
    for tensor in (tensor for header in headers for tensor in header.tensors):
        sizes[tensor.type] += tensor.bytes
    most = sizes.most_common(1)
    return TENSOR_TYPES.get(most[0][0], "") if most else ""
