"""C code of attention over a sparse pattern: rows forward, rows backward, columns backward.

One row holds the queries of all heads in registers while it walks over its columns twice: scores first, then what they
weigh. Exponentials are taken of all scores of a row at once, many in a vector. Keys and values of the backward pass are
gathered column by column, so that nothing is added into memory that another row adds to as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from surrogates.kernels.native import lanes, prelude

_REGISTERS = 12  # vectors of one operand that a walk keeps


@dataclass(frozen=True)
class Layout:
    """How heads are cut into vectors.

    Args:
        heads, channels: of the attention, channels a head. width: channels in a vector. together: heads in one walk.
    """

    heads: int
    channels: int
    width: int
    together: int

    @property
    def blocks(self) -> int:
        """Vectors of a head."""
        return self.channels // self.width


def layout(heads: int, channels: int, dtype: torch.dtype) -> Layout:
    """As many heads together as one reduction can sum and the registers hold; a power of two that divides them."""
    width = lanes(channels, dtype)
    together = 1
    while heads % (2 * together) == 0 and 2 * together <= width and 2 * together * channels <= _REGISTERS * width:
        together *= 2
    return Layout(heads, channels, width, together)


def forward(at: Layout, dtype: torch.dtype) -> str:
    """y of the rows begin..end, and the largest score and the inverse of the sum of each row and head."""
    body = [
        *_each(at, "const vec q{h}_{b} = AT(Q + {o}) * scale;", "Q", "q", "i * q_stride"),
        "group peak = {0}; peak -= (real)__builtin_inf();",
        "for (int64_t e = 0; e < n; e++) {",
        "const real *K = k + from[e] * k_stride + first;",
        _scores(at, "q", "K", "here"),
        "GROUP(s + e * G) = here;",
        "peak = larger(peak, here);",
        "}",
        "exponentials(s, n * G, tiled(peak));",
        *_each(at, "vec y{h}_{b} = {{0}};"),
        "group sum = {0};",
        "for (int64_t e = 0; e < n; e++) {",
        "const real *X = v + from[e] * v_stride + first, *A = s + e * G;",
        "sum += GROUP(A);",
        *_each(at, "y{h}_{b} += A[{h}] * AT(X + {o});"),
        "}",
        "group inverse = {0};",
        "if (n) inverse = 1 / sum;",
        "real *Y = y + i * H * D + first;",
        *_each(at, f"AT(Y + {{o}}) = y{{h}}_{{b}} * {_lane(at, 'inverse')};"),
        "GROUP(peaks + i * H + h) = peak;",
        "GROUP(inverses + i * H + h) = inverse;",
    ]
    arrays = "const real *q, const real *k, const real *v, real *y, real *peaks, real *inverses, real *s"
    strides = "int64_t q_stride, int64_t k_stride, int64_t v_stride"
    return _rows(at, dtype, arrays, strides, body)


def rows(at: Layout, dtype: torch.dtype) -> str:
    """dq of the rows begin..end; weights a and slopes ds = scale a (g.v - sum a g.v) of their entries."""
    body = [
        *_each(at, "const vec q{h}_{b} = AT(Q + {o}) * scale;", "Q", "q", "i * q_stride"),
        *_each(at, "const vec g{h}_{b} = AT(P + {o});", "P", "g", "i * g_stride"),
        "for (int64_t e = 0; e < n; e++) {",
        "const real *K = k + from[e] * k_stride + first, *X = v + from[e] * v_stride + first;",
        _scores(at, "q", "K", "score"),
        _scores(at, "g", "X", "gain"),
        "GROUP(s + e * G) = score;",
        "GROUP(p + e * G) = gain;",
        "}",
        "exponentials(s, n * G, tiled(GROUP(peaks + i * H + h)));",
        "const group inverse = GROUP(inverses + i * H + h);",
        "group mean = {0};",
        "for (int64_t e = 0; e < n; e++) {",
        "const group weight = GROUP(s + e * G) * inverse;",
        "GROUP(a + (start[i] + e) * H + h) = weight;",
        "mean += weight * GROUP(p + e * G);",
        "}",
        *_each(at, "vec d{h}_{b} = {{0}};"),
        "for (int64_t e = 0; e < n; e++) {",
        "const real *K = k + from[e] * k_stride + first;",
        "real *S = ds + (start[i] + e) * H + h;",
        "GROUP(S) = GROUP(a + (start[i] + e) * H + h) * (GROUP(p + e * G) - mean) * scale;",
        *_each(at, "d{h}_{b} += S[{h}] * AT(K + {o});"),
        "}",
        "real *Y = dq + i * H * D + first;",
        *_each(at, "AT(Y + {o}) = d{h}_{b};"),
    ]
    arrays = (
        "const real *q, const real *k, const real *v, const real *g, const real *peaks, const real *inverses, "
        "real *dq, real *a, real *ds, real *s, real *p"
    )
    return _rows(at, dtype, arrays, "int64_t q_stride, int64_t k_stride, int64_t v_stride, int64_t g_stride", body)


def columns(at: Layout, dtype: torch.dtype) -> str:
    """dk = sum ds q and dv = sum a g of the columns begin..end: `from` are their rows, `entry` the places of a, ds."""
    body = [
        *_each(at, "vec k{h}_{b} = {{0}}, v{h}_{b} = {{0}};"),
        "for (int64_t e = 0; e < n; e++) {",
        "const real *Q = q + from[e] * q_stride + first, *P = g + from[e] * g_stride + first;",
        "const real *A = a + entry[start[i] + e] * H + h, *S = ds + entry[start[i] + e] * H + h;",
        *_each(at, "k{h}_{b} += S[{h}] * AT(Q + {o});"),
        *_each(at, "v{h}_{b} += A[{h}] * AT(P + {o});"),
        "}",
        "real *K = dk + i * H * D + first, *X = dv + i * H * D + first;",
        *_each(at, "AT(K + {o}) = k{h}_{b}; AT(X + {o}) = v{h}_{b};"),
    ]
    arrays = "const real *q, const real *g, const real *a, const real *ds, real *dk, real *dv, const int64_t *entry"
    return _rows(at, dtype, arrays, "int64_t q_stride, int64_t g_stride", body)


def _each(at: Layout, line: str, pointer: str = "", array: str = "", row: str = "") -> list[str]:
    """The line for each head h and block b at offset o, behind the pointer to the row of an array."""
    head = [f"const real *{pointer} = {array} + {row} + first;"] if pointer else []
    places = [(h, b) for h in range(at.together) for b in range(at.blocks)]
    return head + [line.format(h=h, b=b, o=h * at.channels + b * at.width) for h, b in places]


def _scores(at: Layout, name: str, pointer: str, result: str) -> str:
    """Inner products of all heads with the row at `pointer`."""
    products = [
        " + ".join(f"{name}{h}_{b} * AT({pointer} + {h * at.channels + b * at.width})" for b in range(at.blocks))
        for h in range(at.together)
    ]
    return f"const group {result} = sums({', '.join(products)});"


def _lane(at: Layout, name: str) -> str:
    return name if at.together == 1 else f"{name}[{{h}}]"


def _rows(at: Layout, dtype: torch.dtype, arrays: str, strides: str, body: list[str]) -> str:
    """`body` for each row and each group of heads.

    Arrays of vectors have rows of `stride` reals, (heads, channels) without gaps; a and ds are (entries, heads), peaks
    and inverses (rows, heads); s and p are scratch for the longest row.
    """
    head = (
        f"void run(int64_t begin, int64_t end, {arrays}, const int64_t *start, const int64_t *sender, {strides}, "
        "real scale) {"
    )
    loops = [
        "for (int64_t i = begin; i < end; i++) {",
        "const int64_t *from = sender + start[i], n = start[i + 1] - start[i];",
        "for (int64_t h = 0; h < H; h += G) {",
        "const int64_t first = h * D;",
    ]
    return "\n".join([_types(at, dtype), head, *loops, *body, "}", "}", "}", ""])


def _types(at: Layout, dtype: torch.dtype) -> str:
    """Vectors of channels (vec), of the heads of a walk (group), and for exponentials (wide)."""
    size = torch.finfo(dtype).bits // 8
    many = lanes(1024, dtype)
    integer = f"int{8 * size}_t"
    aligned = f"aligned({size}), may_alias"
    group = "typedef real group;" if at.together == 1 else _vector("real", "group", at.together * size, aligned)
    return "\n".join(
        [
            prelude(dtype, at.width),
            f"enum {{ H = {at.heads}, D = {at.channels}, G = {at.together}, E = {many} }};",
            group,
            _vector("real", "wide", many * size, aligned),
            _vector(integer, "whole", many * size, aligned),
            "#define GROUP(p) (*(group *)(p))",
            "#if defined(__has_builtin) && !defined(NO_SHUFFLE)",
            "#if __has_builtin(__builtin_shufflevector)",
            "#define SHUFFLE",
            "#endif",
            "#endif",
            _larger(at, integer),
            _tiled(at),
            _sums(at, size),
            _exponentials(dtype),
        ]
    )


def _vector(kind: str, name: str, size: int, aligned: str) -> str:
    return f"typedef {kind} {name} __attribute__((vector_size({size}), {aligned}));"


def _larger(at: Layout, integer: str) -> str:
    """The larger of two groups, lane by lane; NaN where the second one is."""
    head = "static inline group larger(group x, group y)"
    if at.together == 1:
        return f"{head} {{ return x > y ? x : y; }}"
    return (
        f"typedef {integer} mask __attribute__((vector_size(sizeof(group)), aligned(sizeof(real)), may_alias));\n"
        f"{head} {{ const mask m = x > y; return (group)((m & (mask)x) | (~m & (mask)y)); }}"
    )


def _tiled(at: Layout) -> str:
    """A group repeated until it fills a wide vector."""
    if at.together == 1:
        return "static inline wide tiled(group x) { wide y = {0}; return y + x; }"
    return (
        "static inline wide tiled(group x) { union { real r[E]; wide w; } y; "
        "for (int j = 0; j < E; j++) y.r[j] = x[j % G]; return y.w; }"
    )


def _sums(at: Layout, size: int) -> str:
    """Sums over the lanes of one vector per head, all at once by halving, or one after the other."""
    names = [f"x{h}" for h in range(at.together)]
    head = f"static inline group sums({', '.join(f'vec {name}' for name in names)})"
    if at.width == 1:
        return f"{head} {{ return x0; }}"
    loop = "real r[V]; AT(r) = {x}; real t = 0; for (int j = 0; j < V; j++) t += r[j];"
    if at.together == 1:
        plain = [loop.format(x="x0"), "return t;"]
    else:
        plain = ["group s;", *(f"{{ {loop.format(x=name)} s[{h}] = t; }}" for h, name in enumerate(names)), "return s;"]
    return "\n".join(
        ["#ifdef SHUFFLE", f"{head} {{", *_halved(at, names, size), "}", "#else", f"{head} {{", *plain, "}", "#endif"]
    )


def _halved(at: Layout, names: list[str], size: int) -> list[str]:
    """Each step adds the second half of every segment to its first half; two vectors become one while there are two."""
    lines, width, segment, step = [], at.width, at.width, 0
    while segment > 1:
        half, step = segment // 2, step + 1
        if len(names) > 1:
            firsts = [j for j in range(2 * width) if j % segment < half]
            pairs = list(zip(names[::2], names[1::2], strict=True))
        else:
            firsts = [j for j in range(width) if j % segment < half]
            pairs = [(names[0], names[0])]
        new, width = [], len(firsts)
        kind = "vec" if width == at.width else f"half{step}"
        if kind != "vec" and width > 1:
            lines.append(_vector("real", kind, width * size, f"aligned({size}), may_alias"))
        for k, (a, b) in enumerate(pairs):
            if width == 1:
                lines.append(f"const real s{step}_{k} = {a}[0] + {a}[1];")
            else:
                one, other = (", ".join(str(j + shift) for j in firsts) for shift in (0, half))
                shuffle = "__builtin_shufflevector"
                lines.append(f"const {kind} s{step}_{k} = {shuffle}({a}, {b}, {one}) + {shuffle}({a}, {b}, {other});")
            new.append(f"s{step}_{k}")
        names, segment = new, half
    return [*lines, f"return (group){names[0]};"]


def _exponentials(dtype: torch.dtype) -> str:
    """s <- exp(s - peak) of `count` numbers <= peak: 2^n times the Taylor polynomial on |r| <= log(2) / 2.

    Below -86 (double: -700) the exponential stays what it is there, a zero for every sum. NaN stays NaN.
    """
    double = dtype == torch.float64
    least, magic, bias, shift, degree = (
        ("-700.0", "6755399441055744.0", "0x3ff0000000000000", 52, 13)
        if double
        else ("-86.0f", "12582912.0f", "0x3f800000", 23, 7)
    )
    high, low, log2e = (
        ("0x1.62e42fee00000p-1", "0x1.a39ef35793c76p-33", "0x1.71547652b82fep0")
        if double
        else ("0x1.62e400p-1f", "0x1.7f7d1cp-20f", "0x1.715476p0f")
    )
    factorial, terms = 1, []
    for k in range(1, degree + 1):
        factorial *= k
        terms.append(f"(real)(1.0 / {factorial}.0)")
    horner = [
        f"wide y = {{0}}; y += {terms[-1]};",
        *(f"y = y * r + {t};" for t in reversed(terms[:-1])),
        "y = y * r + 1;",
    ]
    return "\n".join(
        [
            "static inline void exponentials(real *s, int64_t count, wide peak) {",
            "for (int64_t j = 0; j < count; j += E) {",
            "wide x = *(wide *)(s + j) - peak;",
            f"wide least = {{0}}; least += {least};",
            "const whole low = x < least;",
            "x = (wide)((low & (whole)least) | (~low & (whole)x));",
            f"const wide shifted = x * {log2e} + {magic};",
            f"const wide n = shifted - {magic};",
            f"const wide r = (x - n * {high}) - n * {low};",
            *horner,
            f"*(wide *)(s + j) = y * (wide)(((whole)shifted << {shift}) + {bias});",
            "}",
            "}",
        ]
    )
