"""The library's own rows beside the shortest hand-derived gradient known, as ``textbook`` has what a user writes.

A line ``y := name(a, b)`` of ``forward`` applies the row of the library, with ``options``; its equations are called
``y``, ``y.scaled`` and so on, and its parameters ``y.gain``.  The hand form may read all of them.
"""

from __future__ import annotations

from tests.report.textbook import Row

_LOSS = "loss = sum[i,j](v[i,j]*y[i,j])"
_SCORES = {"y": "label[n, 5]"}
_NUMBERS = {"y": "real[n]"}
_FEATURES = {"x": "real[n, 5]"}
_ABOVE = {"v": "real[n, 5]"}

LIBRARY: dict[str, Row] = {
    "library layer_norm": Row(
        _FEATURES, ("y := layer_norm(x)", _LOSS),
        {"x": ("e[i,j] = y.gain[j]*v[i,j]", "f[i] = sum[j](e[i,j])", "h[i] = sum[j](e[i,j]*y.scaled[i,j])",
               "a[i] = f[i]/5", "c[i] = h[i]/5", "d_x[i,j] = (e[i,j] - a[i] - c[i]*y.scaled[i,j])/y.deviation[i]"),
         "y.gain": ("d_y.gain[j] = sum[i](v[i,j]*y.scaled[i,j])",), "y.b": ("d_y.b[j] = sum[i](v[i,j])",)},
        "Ba, Kiros, Hinton 2016; Karpathy, llm.c, layernorm_backward", _ABOVE),
    "library batch_norm": Row(
        _FEATURES, ("y := batch_norm(x)", _LOSS),
        {"x": ("b[j] = sum[i](v[i,j])", "g[j] = sum[i](v[i,j]*y.scaled[i,j])", "a[j] = b[j]/n", "c[j] = g[j]/n",
               "q[j] = y.gain[j]/sqrt(y.spread[j] + 1e-5)", "d_x[i,j] = q[j]*(v[i,j] - a[j] - c[j]*y.scaled[i,j])"),
         "y.gain": ("d_y.gain[j] = sum[i](v[i,j]*y.scaled[i,j])",), "y.b": ("d_y.b[j] = sum[i](v[i,j])",)},
        "Ioffe, Szegedy 2015, section 3, simplified", _ABOVE),
    "library glu": Row(
        {"x": "real[n, 10]"}, ("y := glu(x)", _LOSS),
        {"x": ("d_x[i,k] = where(k < 5, v[i,k]*y.gate[i,k], v[i,k-5]*y[i,k-5]*(1 - y.gate[i,k-5])) for k in 10",)},
        "Dauphin et al. 2017, section 3", _ABOVE),
    "library gelu, approximate": Row(
        _FEATURES, ("y := gelu(x)", _LOSS),
        {"x": ("d_x[i,j] = v[i,j]*(s[i,j] + y[i,j]*(1 - s[i,j])*(2 + 0.26829*x[i,j]**2)*sqrt(2/pi))",)},
        "Hendrycks, Gimpel 2016, of x*s with a sigmoid s", _ABOVE,
        ("s[i,j] = sigmoid(2*sqrt(2/pi)*(x[i,j] + 0.044715*x[i,j]**3))",), options={"approximate": True}),
    "library selu": Row(
        _FEATURES, ("y := selu(x)", _LOSS),
        {"x": ("d_x[i,j] = v[i,j]*where(x[i,j] > 0, 1.0507009873554804934, y[i,j] + 1.758099340847376860)",)},
        "Klambauer et al. 2017, eq. 2; f' = f + lambda*alpha below 0", _ABOVE),
    "library celu": Row(
        _FEATURES, ("y := celu(x)", _LOSS),
        {"x": ("d_x[i,j] = v[i,j]*where(x[i,j] > 0, 1, 2*y[i,j] + 1)",)},
        "Barron 2017; f' = 1 + f/alpha below 0", _ABOVE, options={"alpha": 0.5}),
    "library huber": Row(
        {"p": "real[n]"}, ("loss := huber(p, y)",), {"p": ("d_p[i] = max(min(loss.e[i], 1.5), -1.5)/n",)},
        "Huber 1964: psi(r) = max(-k, min(r, k))", _NUMBERS, options={"delta": 1.5}),
    "library smooth_l1": Row(
        {"p": "real[n]"}, ("loss := smooth_l1(p, y)",), {"p": ("d_p[i] = max(min(loss.e[i], 0.5), -0.5)/(0.5*n)",)},
        "Girshick 2015, eq. 3", _NUMBERS, options={"beta": 0.5}),
    "library quantile": Row(
        {"p": "real[n]"}, ("loss := quantile(p, y)",), {"p": ("d_p[i] = where(loss.e[i] >= 0, -0.9, 0.1)/n",)},
        "Koenker, Bassett 1978: 1[y < p] - tau", _NUMBERS, options={"q": 0.9}),
    "library binary_cross_entropy, of a sigmoid": Row(
        {"z": "real[n]"}, ("p[i] = 1/(1 + exp(-z[i]))", "loss := binary_cross_entropy(p, y)"),
        {"z": ("d_z[i] = where(p[i] >= 1e-12 and p[i] <= 1 - 1e-12, (p[i] - y[i])/n, 0)",)},
        "Bishop 2006, eq. 4.91, where nothing is cut off", _NUMBERS, ranges={"y": "unit"}),
    "library gaussian_nll": Row(
        {"p": "real[n]", "s": "real[n]"}, ("v[i] = exp(s[i])", "loss := gaussian_nll(p, v, y)"),
        {"p": ("d_p[i] = (p[i] - y[i])/(n*loss.v[i])",),
         "s": ("d_s[i] = where(v[i] >= 1e-6, (1 - (p[i] - y[i])**2/v[i])/(2*n), 0)",)},
        "Nix, Weigend 1994", _NUMBERS),
    "library cross_entropy, smoothed": Row(
        {"z": "real[n, 5]"}, ("loss := cross_entropy(z, y)",),
        {"z": ("d_z[i,j] = (loss.p[i,j] - 0.8*delta(j, y[i]) - 0.2/5)/n",)},
        "Szegedy et al. 2016, section 7", _SCORES, options={"smoothing": 0.2}),
    "library focal": Row(
        {"z": "real[n, 5]"}, ("loss := focal(z, y)",),
        {"z": ("q[i] = loss.p[i, y[i]]", "e[i] = (1 - q[i])*(2*q[i]*loss.l[i] + q[i] - 1)/n",
               "d_z[i,j] = e[i]*(delta(j, y[i]) - loss.p[i,j])")},
        "Lin et al. 2017, appendix B, for several classes", _SCORES),
    "library hinge, of classes": Row(
        {"z": "real[n, 5]"}, ("loss := hinge(z, y)",),
        {"z": ("k[i] = sum[c](where(loss.missing[i,c] > 0, 1, 0))",
               "d_z[i,j] = where(j == y[i], -k[i], where(loss.missing[i,j] > 0, 1, 0))/(5*n)")},
        "Weston, Watkins 1999", _SCORES),
    "library squared_hinge, of classes": Row(
        {"z": "real[n, 5]"}, ("loss := squared_hinge(z, y)",),
        {"z": ("k[i] = sum[c](loss.missing[i,c])",
               "d_z[i,j] = where(j == y[i], -k[i], loss.missing[i,j])*2/(5*n)")},
        "Weston, Watkins 1999, squared", _SCORES),
    "library triplet": Row(
        {"a": "real[n, 5]", "b": "real[n, 5]", "c": "real[n, 5]"}, ("loss := triplet(a, b, c)",),
        {"b": ("f[i] = where(loss.u[i] >= 0, 1/n, 0)", "g[i] = f[i]/loss.near[i]",
               "d_b[i,k] = g[i]*(b[i,k] - a[i,k] - 1e-6)"),
         "c": ("f[i] = where(loss.u[i] >= 0, 1/n, 0)", "g[i] = f[i]/loss.far[i]",
               "d_c[i,k] = g[i]*(a[i,k] - c[i,k] + 1e-6)")},
        "Schroff, Kalenichenko, Philbin 2015", {}),
}  # fmt: skip
