"""Operations that look at the value only."""

from surrogates.derivatives.jet import QUERIES

QUERIES |= {"shape", "ndim", "dtype", "device", "layout", "requires_grad", "is_cuda", "is_sparse", "is_leaf", "grad_fn"}
QUERIES |= {"size", "dim", "numel", "nelement", "ndimension", "stride", "element_size", "get_device", "__len__"}
QUERIES |= {"is_floating_point", "is_complex", "is_contiguous", "is_nested", "is_quantized", "names", "type"}
QUERIES |= {"gt", "lt", "ge", "le", "eq", "ne", "isnan", "isinf", "isfinite", "sign", "sgn", "floor", "ceil", "round"}
QUERIES |= {"__gt__", "__lt__", "__ge__", "__le__", "__eq__", "__ne__", "signbit", "detach"}
QUERIES |= {"argmax", "argmin", "argsort", "trunc", "fix", "logical_and", "logical_or", "logical_not", "logical_xor"}
QUERIES |= {
    "data",
    "grad",
    "itemsize",
    "nbytes",
    "is_signed",
    "is_same_size",
    "is_inference",
    "is_conj",
    "is_neg",
    "is_meta",
}
QUERIES |= {
    "isreal",
    "isposinf",
    "isneginf",
    "isclose",
    "allclose",
    "equal",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
}
QUERIES |= {
    "not_equal",
    "any",
    "all",
    "nonzero",
    "argwhere",
    "count_nonzero",
    "searchsorted",
    "bucketize",
    "floor_divide",
}
QUERIES |= {
    "__floordiv__",
    "__rfloordiv__",
    "heaviside",
    "int",
    "long",
    "bool",
    "short",
    "byte",
    "is_tensor",
    "is_mps",
    "is_xpu",
    "is_cpu",
}
QUERIES |= {
    "__hash__",
    "__format__",
    "__dir__",
    "storage_offset",
    "is_pinned",
    "is_shared",
    "retains_grad",
    "output_nr",
    "_version",
}
