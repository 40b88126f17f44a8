"""Layers, losses and activations as a textbook writes them, each with the shortest hand-derived gradient known.

``forward`` is the naive spelling; ``hand`` holds, for each tensor, the gradient of ``loss`` with respect to it.  The
hand form may read every value of the forward pass, and those of ``saved``, for nothing, as textbooks do; its helper
equations count.  A layer is closed by ``loss = sum(v*y)``, so that ``v`` is the gradient that comes from above.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SIZES = {"n": 7}
"""What the named extent counts; the widths are numbers, different ones for different axes."""


@dataclass(frozen=True)
class Row:
    """One case: declarations, equations, and the best gradient by hand for each tensor, with where it stands."""

    params: Mapping[str, str]
    forward: tuple[str, ...]
    hand: Mapping[str, tuple[str, ...]]
    source: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    saved: tuple[str, ...] = ()
    ranges: Mapping[str, str] = field(default_factory=dict)
    """Tensors whose values are not of either sign and any size: ``unit`` (between 0 and 1) or ``sign`` (1 or -1)."""
    options: Mapping[str, float | bool] = field(default_factory=dict)
    """Those of the library's row that ``forward`` applies."""


def _activation(
    formula: str, hand: str, source: str, *saved: str, more: Mapping[str, str] | None = None, **others: str
) -> Row:
    """y = f(x) elementwise, closed by the gradient from above; ``others`` are gradients in further parameters."""
    return Row(
        params={"x": "real[n, 5]", **(more or {})},
        forward=(f"y[i,j] = {formula.replace('x', 'x[i,j]').replace('ex[i,j]p', 'exp').replace('max[i,j]', 'max')}",
                 "loss = sum[i,j](v[i,j]*y[i,j])"),
        hand={"x": (f"d_x[i,j] = {hand}",)} | {name: (text,) for name, text in others.items()},
        source=source,
        inputs={"v": "real[n, 5]"},
        saved=saved,
    )  # fmt: skip


ACTIVATIONS: dict[str, Row] = {
    "relu": _activation("max(x, 0)", "where(y[i,j] > 0, v[i,j], 0)", "Goodfellow, Bengio, Courville 2016, 6.3.1"),
    "leaky relu": _activation(
        "where(x > 0, x, x/100)", "where(x[i,j] > 0, v[i,j], v[i,j]/100)", "Maas, Hannun, Ng 2013, eq. 2"
    ),
    "elu": _activation(
        "where(x > 0, x, exp(x) - 1)",
        "where(x[i,j] > 0, v[i,j], v[i,j]*(y[i,j] + 1))",
        "Clevert, Unterthiner, Hochreiter 2016, eq. 16: f' = f + alpha below 0",
    ),
    "sigmoid": _activation("1/(1 + exp(-x))", "v[i,j]*y[i,j]*(1 - y[i,j])", "Bishop 2006, eq. 4.88"),
    "tanh": _activation(
        "(exp(x) - exp(-x))/(exp(x) + exp(-x))", "v[i,j]*(1 - y[i,j]**2)", "Bishop 2006, eq. 5.60"
    ),
    "softplus": _activation("log(1 + exp(x))", "v[i,j]*sigmoid(x[i,j])", "Dugas et al. 2001; Goodfellow et al. 3.10"),
    "log sigmoid": _activation("log(1/(1 + exp(-x)))", "v[i,j]*sigmoid(-x[i,j])", "PyTorch, log_sigmoid_backward"),
    "silu": _activation(
        "x/(1 + exp(-x))",
        "v[i,j]*(y[i,j] + s[i,j]*(1 - y[i,j]))",
        "Ramachandran, Zoph, Le 2017, section 5: f' = f + sigmoid*(1 - f)",
        "s[i,j] = sigmoid(x[i,j])",
    ),
    "swish with beta": _activation(
        "x/(1 + exp(-b*x))",
        "v[i,j]*s[i,j]*(1 + b*(x[i,j] - y[i,j]))",
        "Ramachandran, Zoph, Le 2017, section 5, with x*sigmoid read as f; in beta f*(x - f)",
        "s[i,j] = sigmoid(b*x[i,j])",
        more={"b": "real"},
        b="d_b = sum[i,j](v[i,j]*y[i,j]*(x[i,j] - y[i,j]))",
    ),
    "gelu": Row(
        params={"x": "real[n, 5]"},
        forward=("c[i,j] = (1 + erf(x[i,j]/sqrt(2)))/2", "y[i,j] = x[i,j]*c[i,j]", "loss = sum[i,j](v[i,j]*y[i,j])"),
        hand={"x": ("d_x[i,j] = v[i,j]*(c[i,j] + x[i,j]*exp(-x[i,j]**2/2)/sqrt(2*pi))",)},
        source="Hendrycks, Gimpel 2016: Phi(x) + x*phi(x)",
        inputs={"v": "real[n, 5]"},
    ),
    "softsign": _activation(
        "x/(1 + abs(x))", "v[i,j]/(1 + abs(x[i,j]))**2", "Glorot, Bengio 2010; Turian, Bergstra, Bengio 2009"
    ),
    "selu": _activation(
        "1.0507*where(x > 0, x, 1.67326*(exp(x) - 1))",
        "v[i,j]*where(x[i,j] > 0, 1.0507, y[i,j] + 1.0507*1.67326)",
        "Klambauer et al. 2017, eq. 2; f' = f + lambda*alpha below 0",
    ),
    "mish": _activation(
        "x*tanh(log(1 + exp(x)))",
        "v[i,j]*(t[i,j] + x[i,j]*sigmoid(x[i,j])*(1 - t[i,j]**2))",
        "Misra 2020, section 2, as in PyTorch's mish_backward",
        "t[i,j] = tanh(log(1 + exp(x[i,j])))",
    ),
    "relu6": _activation(
        "min(max(x, 0), 6)", "where(x[i,j] > 0 and x[i,j] <= 6, v[i,j], 0)", "Krizhevsky 2010; an indicator"
    ),
    "hard tanh": _activation(
        "max(min(x, 1), -1)", "where(x[i,j] >= -1 and x[i,j] <= 1, v[i,j], 0)", "Collobert 2004; an indicator"
    ),
    "prelu": _activation(
        "where(x > 0, x, a*x)",
        "where(x[i,j] > 0, v[i,j], a*v[i,j])",
        "He, Zhang, Ren, Sun 2015, eq. 3",
        more={"a": "real"},
        a="d_a = sum[i,j](where(x[i,j] > 0, 0, v[i,j]*x[i,j]))",
    ),
    "softmax": Row(
        params={"z": "real[n, 5]"},
        forward=("y[i,j] = exp(z[i,j])/sum[k](exp(z[i,k]))", "loss = sum[i,j](v[i,j]*y[i,j])"),
        hand={"z": ("c[i] = sum[j](v[i,j]*y[i,j])", "d_z[i,j] = y[i,j]*(v[i,j] - c[i])")},
        source="Murphy 2022, 13.3.3; diag(p) - p p^T",
        inputs={"v": "real[n, 5]"},
    ),
    "log softmax": Row(
        params={"z": "real[n, 5]"},
        forward=("y[i,j] = log(exp(z[i,j])/sum[k](exp(z[i,k])))", "loss = sum[i,j](v[i,j]*y[i,j])"),
        hand={"z": ("c[i] = sum[j](v[i,j])", "d_z[i,j] = v[i,j] - exp(y[i,j])*c[i]")},
        source="PyTorch, log_softmax_backward",
        inputs={"v": "real[n, 5]"},
    ),
}  # fmt: skip

_PREDICTED = {"y": "real[n]"}

LOSSES: dict[str, Row] = {
    "mse": Row({"p": "real[n]"}, ("loss = mean[i]((p[i] - y[i])**2)",), {"p": ("d_p[i] = 2*(p[i] - y[i])/n",)},
        "Bishop 2006, 3.1", _PREDICTED),
    "mae": Row({"p": "real[n]"}, ("loss = mean[i](abs(p[i] - y[i]))",), {"p": ("d_p[i] = sign(p[i] - y[i])/n",)},
        "Hastie, Tibshirani, Friedman 2009, 10.6", _PREDICTED),
    "huber": Row(
        {"p": "real[n]"},
        ("r[i] = p[i] - y[i]", "loss = mean[i](where(abs(r[i]) <= 1.5, r[i]**2/2, 1.5*(abs(r[i]) - 1.5/2)))"),
        {"p": ("d_p[i] = max(min(r[i], 1.5), -1.5)/n",)},
        "Huber 1964: psi(r) = max(-k, min(r, k))", _PREDICTED),
    "log cosh": Row({"p": "real[n]"}, ("loss = mean[i](log(cosh(p[i] - y[i])))",),
        {"p": ("d_p[i] = tanh(p[i] - y[i])/n",)}, "Chen et al. 2019", _PREDICTED),
    "quantile": Row({"p": "real[n]"}, ("loss = mean[i](max(0.9*(y[i] - p[i]), (0.9 - 1)*(y[i] - p[i])))",),
        {"p": ("d_p[i] = where(y[i] >= p[i], -0.9, 0.1)/n",)}, "Koenker, Bassett 1978: 1[y < p] - tau", _PREDICTED),
    "binary cross-entropy of probabilities": Row(
        {"p": "real[n]"},
        ("q[i] = clamp(p[i], 1e-6, 1 - 1e-6)", "loss = mean[i](-y[i]*log(q[i]) - (1 - y[i])*log(1 - q[i]))"),
        {"p": ("d_p[i] = where(p[i] >= 1e-6 and p[i] <= 1 - 1e-6, (q[i] - y[i])/(n*q[i]*(1 - q[i])), 0)",)},
        "Bishop 2006, 4.3.2: (p - y)/(p (1 - p))", {"y": "real[n]"}, ranges={"p": "unit", "y": "unit"}),
    "binary cross-entropy of logits": Row(
        {"z": "real[n]"},
        ("q[i] = 1/(1 + exp(-z[i]))", "loss = mean[i](-y[i]*log(q[i]) - (1 - y[i])*log(1 - q[i]))"),
        {"z": ("d_z[i] = (q[i] - y[i])/n",)},
        "Bishop 2006, eq. 4.91", {"y": "real[n]"}, ranges={"y": "unit"}),
    "cross-entropy": Row(
        {"z": "real[n, 5]"},
        ("p[i,j] = exp(z[i,j])/sum[k](exp(z[i,k]))", "loss = mean[i](-log(p[i, y[i]]))"),
        {"z": ("d_z[i,j] = (p[i,j] - delta(j, y[i]))/n",)},
        "Bishop 2006, eq. 4.109", {"y": "label[n, 5]"}),
    "cross-entropy with soft labels": Row(
        {"z": "real[n, 5]"},
        ("p[i,j] = exp(z[i,j])/sum[k](exp(z[i,k]))", "loss = mean[i](sum[j](-t[i,j]*log(p[i,j])))"),
        {"z": ("c[i] = sum[j](t[i,j])", "d_z[i,j] = (c[i]*p[i,j] - t[i,j])/n")},
        "Bishop 2006, eq. 4.109, for any weights t", {"t": "real[n, 5]"}, ranges={"t": "unit"}),
    "cross-entropy with label smoothing": Row(
        {"z": "real[n, 5]"},
        ("p[i,j] = exp(z[i,j])/sum[k](exp(z[i,k]))",
         "loss = mean[i](sum[j](-(0.9*delta(j, y[i]) + 0.1/5)*log(p[i,j])))"),
        {"z": ("d_z[i,j] = (p[i,j] - 0.9*delta(j, y[i]) - 0.1/5)/n",)},
        "Szegedy et al. 2016, section 7", {"y": "label[n, 5]"}),
    "focal": Row(
        {"z": "real[n]"},
        ("p[i] = 1/(1 + exp(-y[i]*z[i]))", "loss = mean[i](-(1 - p[i])**2*log(p[i]))"),
        {"z": ("d_z[i] = y[i]*(1 - p[i])**2*(2*p[i]*l[i] + p[i] - 1)/n",)},
        "Lin et al. 2017, eq. 10 (appendix B)", {"y": "real[n]"}, ("l[i] = log(p[i])",), {"y": "sign"}),
    "hinge": Row({"p": "real[n]"}, ("h[i] = max(1 - y[i]*p[i], 0)", "loss = mean[i](h[i])"),
        {"p": ("d_p[i] = where(h[i] > 0, -y[i]/n, 0)",)}, "Shalev-Shwartz et al. 2007", {"y": "real[n]"},
        ranges={"y": "sign"}),
    "squared hinge": Row({"p": "real[n]"}, ("h[i] = max(1 - y[i]*p[i], 0)", "loss = mean[i](h[i]**2)"),
        {"p": ("d_p[i] = -2*y[i]*h[i]/n",)}, "Chang, Hsieh, Lin 2008, eq. 5", {"y": "real[n]"}, ranges={"y": "sign"}),
    "kullback-leibler, of a prediction": Row(
        {"q": "real[n, 5]"}, ("loss = mean[i](sum[j](t[i,j]*log(t[i,j]/q[i,j])))",),
        {"q": ("d_q[i,j] = -t[i,j]/(n*q[i,j])",)}, "PyTorch, kl_div_backward", {"t": "real[n, 5]"},
        ranges={"t": "unit", "q": "unit"}),
    "kullback-leibler, from a softmax": Row(
        {"z": "real[n, 5]"},
        ("p[i,j] = exp(z[i,j])/sum[k](exp(z[i,k]))", "l[i,j] = log(p[i,j]/t[i,j])",
         "r[i] = sum[j](p[i,j]*l[i,j])", "loss = mean[i](r[i])"),
        {"z": ("d_z[i,j] = p[i,j]*(l[i,j] - r[i])/n",)},
        "Hinton, Roweis 2002; p (log(p/t) - KL), for the softmax sums to 1", {"t": "real[n, 5]"}, ranges={"t": "unit"}),
    "poisson": Row({"z": "real[n]"}, ("m[i] = exp(z[i])", "loss = mean[i](m[i] - y[i]*z[i])"),
        {"z": ("d_z[i] = (m[i] - y[i])/n",)}, "McCullagh, Nelder 1989, 6.2", _PREDICTED),
    "gaussian likelihood": Row(
        {"m": "real[n]", "s": "real[n]"},
        ("r[i] = y[i] - m[i]", "e[i] = exp(-s[i])", "loss = mean[i]((s[i] + r[i]**2*e[i])/2)"),
        {"m": ("d_m[i] = -r[i]*e[i]/n",), "s": ("d_s[i] = (1 - r[i]**2*e[i])/(2*n)",)},
        "Nix, Weigend 1994; Kendall, Gal 2017, eq. 8", _PREDICTED),
    "cosine similarity": Row(
        {"a": "real[n, 5]"},
        ("c[i] = sum[k](a[i,k]*b[i,k])", "s[i] = sqrt(sum[k](a[i,k]**2))", "t[i] = sqrt(sum[k](b[i,k]**2))",
         "u[i] = c[i]/(s[i]*t[i])", "loss = sum[i](v[i]*u[i])"),
        {"a": ("f[i] = v[i]/(s[i]*t[i])", "g[i] = v[i]*u[i]/s[i]**2", "d_a[i,k] = f[i]*b[i,k] - g[i]*a[i,k]")},
        "Luo et al. 2018; b/(|a||b|) - cos a/|a|^2", {"b": "real[n, 5]", "v": "real[n]"}),
}  # fmt: skip

_LINEAR = ("y[i,j] = sum[k](W[j,k]*x[i,k]) + b[j]", "loss = sum[i,j](v[i,j]*y[i,j])")
_NORM = "loss = sum[i,j](v[i,j]*y[i,j])"

LAYERS: dict[str, Row] = {
    "linear": Row(
        {"W": "real[4, 5]", "b": "real[4]", "x": "real[n, 5]"}, _LINEAR,
        {"W": ("d_W[j,k] = sum[i](v[i,j]*x[i,k])",), "b": ("d_b[j] = sum[i](v[i,j])",),
         "x": ("d_x[i,k] = sum[j](v[i,j]*W[j,k])",)},
        "Goodfellow et al. 2016, algorithm 6.4", {"v": "real[n, 4]"}),
    "bilinear": Row(
        {"A": "real[3, 4]", "x": "real[n, 3]", "u": "real[n, 4]"},
        ("y[i] = sum[j,k](x[i,j]*A[j,k]*u[i,k])", "loss = sum[i](v[i]*y[i])"),
        {"A": ("p[i,k] = v[i]*u[i,k]", "d_A[j,k] = sum[i](x[i,j]*p[i,k])"),
         "x": ("d_x[i,j] = v[i]*t[i,j]",),
         "u": ("s[i,k] = sum[j](A[j,k]*x[i,j])", "d_u[i,k] = v[i]*s[i,k]")},
        "Petersen, Pedersen 2012, eq. 70", {"v": "real[n]"}, ("t[i,j] = sum[k](A[j,k]*u[i,k])",)),
    "layer norm": Row(
        {"x": "real[n, 5]", "g": "real[5]", "b": "real[5]"},
        ("m[i] = mean[k](x[i,k])", "s[i] = mean[k]((x[i,k] - m[i])**2)", "r[i] = sqrt(s[i] + 1/1000)",
         "u[i,j] = (x[i,j] - m[i])/r[i]", "y[i,j] = g[j]*u[i,j] + b[j]", _NORM),
        {"x": ("e[i,j] = g[j]*v[i,j]", "f[i] = sum[j](e[i,j])", "h[i] = sum[j](e[i,j]*u[i,j])",
               "a[i] = f[i]/5", "c[i] = h[i]/5", "d_x[i,j] = (e[i,j] - a[i] - c[i]*u[i,j])/r[i]"),
         "g": ("d_g[j] = sum[i](v[i,j]*u[i,j])",), "b": ("d_b[j] = sum[i](v[i,j])",)},
        "Ba, Kiros, Hinton 2016; Karpathy, llm.c, layernorm_backward", {"v": "real[n, 5]"}),
    "batch norm": Row(
        {"x": "real[n, 5]", "g": "real[5]", "b": "real[5]"},
        ("m[j] = mean[i](x[i,j])", "s[j] = mean[i]((x[i,j] - m[j])**2)", "r[j] = sqrt(s[j] + 1/1000)",
         "u[i,j] = (x[i,j] - m[j])/r[j]", "y[i,j] = g[j]*u[i,j] + b[j]", _NORM),
        {"x": ("d_b[j] = sum[i](v[i,j])", "d_g[j] = sum[i](v[i,j]*u[i,j])", "a[j] = d_b[j]/n", "c[j] = d_g[j]/n",
               "q[j] = g[j]/r[j]", "d_x[i,j] = q[j]*(v[i,j] - a[j] - c[j]*u[i,j])"),
         "g": ("d_g[j] = sum[i](v[i,j]*u[i,j])",), "b": ("d_b[j] = sum[i](v[i,j])",)},
        "Ioffe, Szegedy 2015, section 3, simplified; Kingma's and Thorey's one-line form", {"v": "real[n, 5]"}),
    "rms norm": Row(
        {"x": "real[n, 5]", "g": "real[5]"},
        ("r[i] = sqrt(mean[k](x[i,k]**2) + 1/1000)", "u[i,j] = x[i,j]/r[i]", "y[i,j] = g[j]*u[i,j]", _NORM),
        {"x": ("e[i,j] = g[j]*v[i,j]", "h[i] = sum[j](e[i,j]*u[i,j])", "c[i] = h[i]/5",
               "d_x[i,j] = (e[i,j] - c[i]*u[i,j])/r[i]"),
         "g": ("d_g[j] = sum[i](v[i,j]*u[i,j])",)},
        "Zhang, Sennrich 2019, section 4.2", {"v": "real[n, 5]"}),
    "attention": Row(
        {"q": "real[n, 5]", "k": "real[6, 5]", "w": "real[6, 4]"},
        ("s[i,j] = sum[d](q[i,d]*k[j,d])/sqrt(5)", "p[i,j] = exp(s[i,j])/sum[l](exp(s[i,l]))",
         "o[i,c] = sum[j](p[i,j]*w[j,c])", "loss = sum[i,c](v[i,c]*o[i,c])"),
        {"w": ("d_w[j,c] = sum[i](p[i,j]*v[i,c])",),
         "q": ("t[i,j] = sum[c](v[i,c]*w[j,c])", "D[i] = sum[c](v[i,c]*o[i,c])",
               "e[i,j] = p[i,j]*(t[i,j] - D[i])/sqrt(5)", "d_q[i,d] = sum[j](e[i,j]*k[j,d])"),
         "k": ("t[i,j] = sum[c](v[i,c]*w[j,c])", "D[i] = sum[c](v[i,c]*o[i,c])",
               "e[i,j] = p[i,j]*(t[i,j] - D[i])/sqrt(5)", "d_k[j,d] = sum[i](e[i,j]*q[i,d])")},
        "Dao et al. 2022 (FlashAttention), B.2, eq. 4: the row sum of p*dp is that of o*do", {"v": "real[n, 4]"}),
    "convolution": Row(
        {"w": "real[3, 2, 3]", "x": "real[n, 2, 7]"},
        ("y[i,o,p] = sum[c,u](w[o,c,u]*x[i,c,p+u]) for p in 5", "loss = sum[i,o,p](v[i,o,p]*y[i,o,p])"),
        {"w": ("d_w[o,c,u] = sum[i,p](v[i,o,p]*x[i,c,p+u])",),
         "x": ("d_x[i,c,a] = sum[o,u](where(a - u >= 0 and a - u <= 4, v[i,o,a-u]*w[o,c,u], 0)) for a in 7",)},
        "Goodfellow et al. 2016, eq. 9.11 and 9.13", {"v": "real[n, 3, 5]"}),
    "average pooling": Row(
        {"x": "real[n, 6]"}, ("y[i,p] = mean[u](x[i,2*p+u]) for p in 3 for u in 2", "loss = sum[i,p](v[i,p]*y[i,p])"),
        {"x": ("d_x[i,a] = sum[p](where(a - 2*p >= 0 and a - 2*p <= 1, v[i,p]/2, 0)) for a in 6",)},
        "Zhang et al. 2023, 7.5",
        {"v": "real[n, 3]"}),
    "max pooling": Row(
        {"x": "real[n, 6]"}, ("y[i,p] = max[u](x[i,2*p+u]) for p in 3 for u in 2", "loss = sum[i,p](v[i,p]*y[i,p])"),
        {"x": ("k[i,p] = argmax[u](x[i,2*p+u]) for p in 3 for u in 2",
               "d_x[i,a] = sum[p](delta(a, 2*p + k[i,p])*v[i,p]) for a in 6")}, "Goodfellow et al. 2016, 9.3",
        {"v": "real[n, 3]"}),
    "embedding": Row(
        {"E": "real[6, 3]"}, ("y[i,d] = E[t[i],d]", "loss = sum[i,d](v[i,d]*y[i,d])"),
        {"E": ("d_E[e,d] = sum[i](delta(e, t[i])*v[i,d]) for e in 6",)}, "Mikolov et al. 2013; a scatter",
        {"t": "label[n, 6]", "v": "real[n, 3]"}),
}  # fmt: skip

MODELS: dict[str, Row] = {
    "l1 penalty": Row({"w": "real[5]"}, ("loss = 0.01*sum[k](abs(w[k]))",), {"w": ("d_w[k] = 0.01*sign(w[k])",)},
        "Goodfellow et al. 2016, eq. 7.20"),
    "l2 penalty": Row({"w": "real[5]"}, ("loss = 0.01*sum[k](w[k]**2)/2",), {"w": ("d_w[k] = 0.01*w[k]",)},
        "Goodfellow et al. 2016, eq. 7.3"),
    "logistic regression": Row(
        {"w": "real[5]", "b": "real"},
        ("z[i] = sum[k](w[k]*x[i,k]) + b", "p[i] = 1/(1 + exp(-z[i]))",
         "loss = mean[i](-y[i]*log(p[i]) - (1 - y[i])*log(1 - p[i]))"),
        {"w": ("e[i] = (p[i] - y[i])/n", "d_w[k] = sum[i](e[i]*x[i,k])"),
         "b": ("d_b = sum[i]((p[i] - y[i])/n)",)},
        "Bishop 2006, eq. 4.91", {"x": "real[n, 5]", "y": "real[n]"}, ranges={"y": "unit"}),
    "least squares": Row(
        {"w": "real[5]"}, ("r[i] = sum[k](w[k]*x[i,k]) - y[i]", "loss = sum[i](r[i]**2)"),
        {"w": ("d_w[k] = sum[i](2*r[i]*x[i,k])",)}, "Petersen, Pedersen 2012, eq. 84",
        {"x": "real[n, 5]", "y": "real[n]"}),
    "principal components": Row(
        {"W": "real[5, 3]"},
        ("h[i,c] = sum[k](x[i,k]*W[k,c])", "r[i,k] = x[i,k] - sum[c](h[i,c]*W[k,c])", "loss = sum[i,k](r[i,k]**2)"),
        {"W": ("t[i,c] = sum[k](r[i,k]*W[k,c])", "a[k,c] = sum[i](x[i,k]*t[i,c])",
               "b[k,c] = sum[i](r[i,k]*h[i,c])", "d_W[k,c] = -2*(a[k,c] + b[k,c])")},
        "Petersen, Pedersen 2012, 2.4.2; Baldi, Hornik 1989", {"x": "real[n, 5]"}),
    "softmax regression": Row(
        {"W": "real[4, 5]"},
        ("z[i,j] = sum[k](W[j,k]*x[i,k])", "p[i,j] = exp(z[i,j])/sum[k](exp(z[i,k]))",
         "loss = mean[i](-log(p[i, y[i]]))"),
        {"W": ("e[i,j] = (p[i,j] - delta(j, y[i]))/n", "d_W[j,k] = sum[i](e[i,j]*x[i,k])")},
        "Bishop 2006, eq. 4.109", {"x": "real[n, 5]", "y": "label[n, 4]"}),
    "two-layer perceptron": Row(
        {"W": "real[4, 5]", "b": "real[4]"},
        ("h[i,j] = sum[k](W[j,k]*x[i,k]) + b[j]", "a[i,j] = 1/(1 + exp(-h[i,j]))",
         "o[i,j] = sum[k](V[j,k]*a[i,k])", "loss = sum[i,j]((o[i,j] - y[i,j])**2)/2"),
        {"W": ("e[i,j] = o[i,j] - y[i,j]", "f[i,k] = sum[j](e[i,j]*V[j,k])",
               "d[i,k] = f[i,k]*a[i,k]*(1 - a[i,k])", "d_W[j,k] = sum[i](d[i,j]*x[i,k])"),
         "b": ("e[i,j] = o[i,j] - y[i,j]", "f[i,k] = sum[j](e[i,j]*V[j,k])",
               "d[i,k] = f[i,k]*a[i,k]*(1 - a[i,k])", "d_b[j] = sum[i](d[i,j])")},
        "Rumelhart, Hinton, Williams 1986; Nielsen 2015, BP1-BP4", {"x": "real[n, 5]", "y": "real[n, 2]",
        "V": "real[2, 4]"}),
}  # fmt: skip

TABLE: dict[str, Row] = {**ACTIVATIONS, **LOSSES, **LAYERS, **MODELS}
