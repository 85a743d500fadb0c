"""Operations that look at the value only."""

from surrogates.derivatives.jet import QUERIES

QUERIES |= {"shape", "ndim", "dtype", "device", "layout", "requires_grad", "is_cuda", "is_sparse", "is_leaf", "grad_fn"}
QUERIES |= {"size", "dim", "numel", "nelement", "ndimension", "stride", "element_size", "get_device", "__len__"}
QUERIES |= {"is_floating_point", "is_complex", "is_contiguous", "is_nested", "is_quantized", "names", "type"}
QUERIES |= {"gt", "lt", "ge", "le", "eq", "ne", "isnan", "isinf", "isfinite", "sign", "sgn", "floor", "ceil", "round"}
QUERIES |= {"__gt__", "__lt__", "__ge__", "__le__", "__eq__", "__ne__", "signbit", "detach", "zeros_like", "ones_like"}
QUERIES |= {"empty_like", "full_like", "rand_like", "randn_like", "new_zeros", "new_ones", "new_full", "new_empty"}
QUERIES |= {"new_tensor", "argmax", "argmin", "argsort", "trunc", "logical_and", "logical_or", "logical_not"}
