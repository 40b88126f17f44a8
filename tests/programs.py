"""Well-known programs as equation text, for tests of meaning and goldens of formulas."""

from __future__ import annotations

from nablac.ir.declare import parse_declaration
from nablac.ir.equation import Program
from nablac.ir.parse import parse_equations
from nablac.ir.tensor import Role

KNOWN: dict[str, tuple[dict[str, str], dict[str, str], list[str]]] = {
    "softmax cross-entropy by hand": (
        {"y": "label[3, 3]"},
        {"z": "real[3, 3]"},
        ["p[i,j] = exp(z[i,j])/sum[k](exp(z[i,k]))", "loss = mean[i](-log(p[i, y[i]]))"],
    ),
    "softmax cross-entropy in many steps": (
        {"y": "label[3, 3]"},
        {"z": "real[3, 3]"},
        ["e[i,j] = exp(z[i,j])", "s[i] = sum[j](e[i,j])", "p[i,j] = e[i,j]/s[i]", "q[i] = p[i, y[i]]",
         "loss = mean[i](-log(q[i]))"],
    ),
    "two-layer perceptron": (
        {"x": "real[n, 5]", "y": "real[n, 2]"},
        {"W": "real[4, 5]", "b": "real[4]", "V": "real[2, 4]"},
        ["h[i,j] = sum[k](W[j,k]*x[i,k]) + b[j]", "a[i,j] = 1/(1 + exp(-h[i,j]))", "o[i,j] = sum[k](V[j,k]*a[i,k])",
         "loss = mean[i](sum[j]((o[i,j] - y[i,j])**2)/2)"],
    ),
    "convolution": (
        {"x": "real[n, 2, 7]"},
        {"W": "real[3, 2, 3]"},
        ["h[i,o,p] = sum[c,u](W[o,c,u]*x[i,c,2*p+u]) for p in 3", "loss = mean[i,o,p](tanh(h[i,o,p]))"],
    ),
    "convolution, with respect to its input": (
        {"W": "real[3, 2, 3]"},
        {"x": "real[4, 2, 7]"},
        ["h[i,o,p] = sum[c,u](W[o,c,u]*x[i,c,p+u]) for p in 5", "loss = mean[i,o,p](tanh(h[i,o,p]))"],
    ),
    "max pooling": (
        {},
        {"x": "real[4, 6]"},
        ["h[i,p] = max[u](x[i,2*p+u]) for u in 2 for p in 3", "loss = mean[i,p](sin(h[i,p]))"],
    ),
    "embedding": (
        {"t": "label[n, 6]", "v": "real[n, 3]"},
        {"E": "real[6, 3]"},
        ["h[i,d] = E[t[i],d]", "loss = mean[i,d](sin(h[i,d])*v[i,d])"],
    ),
    "layer normalisation": (
        {"v": "real[n, 4]"},
        {"x": "real[5, 4]", "g": "real[4]", "b": "real[4]"},
        ["m[i] = mean[k](x[i,k])", "s[i] = mean[k]((x[i,k] - m[i])**2)",
         "h[i,j] = g[j]*(x[i,j] - m[i])/sqrt(s[i] + 1/1000) + b[j]", "loss = sum[i,j](sin(h[i,j]))"],
    ),
    "self-attention": (
        {"x": "real[6, 3]"},
        {"Q": "real[3, 3]", "K": "real[3, 3]", "V": "real[3, 3]"},
        ["q[i,d] = sum[e](Q[d,e]*x[i,e])", "k[i,d] = sum[e](K[d,e]*x[i,e])", "v[i,d] = sum[e](V[d,e]*x[i,e])",
         "s[i,j] = sum[d](q[i,d]*k[j,d])/sqrt(3)", "p[i,j] = exp(s[i,j])/sum[l](exp(s[i,l]))",
         "o[i,d] = sum[j](p[i,j]*v[j,d])", "loss = mean[i,d](o[i,d]**2)"],
    ),
    "attention, normalised last": (
        {"v": "real[4, 3]"},
        {"s": "real[5, 4]"},
        ["e[i,j] = exp(s[i,j])", "z[i] = sum[j](e[i,j])", "o[i,d] = sum[j](e[i,j]*v[j,d])",
         "loss = sum[i,d]((o[i,d]/z[i])**2)"],
    ),
    "product": (
        {},
        {"x": "real[3, 4]"},
        ["q[i] = prod[j](x[i,j])", "loss = sum[i](sin(q[i]))"],
    ),
    "bilinear form": (
        {"x": "real[n, 3]", "u": "real[n, 4]"},
        {"A": "real[3, 4]"},
        ["q[i] = sum[j,k](x[i,j]*A[j,k]*u[i,k])", "loss = mean[i](log(cosh(q[i])))"],
    ),
    "diagonal and trace": (
        {},
        {"A": "real[4, 4]"},
        ["t = sum[i](A[i,i])", "loss = t**2 + sum[i,j](A[i,j]*A[j,i])"],
    ),
    "reversed and fixed places": (
        {},
        {"x": "real[5]"},
        ["r[i] = x[4-i]*x[0] for i in 5", "loss = sum[i](sin(r[i])) + x[2]**2"],
    ),
}


def known_program(name: str) -> Program:
    """One of ``KNOWN``, in float64, with the result ``loss``."""
    inputs, params, lines = KNOWN[name]
    tensors = [parse_declaration(n, d, Role.INPUT) for n, d in inputs.items()]
    tensors += [parse_declaration(n, d, Role.PARAM) for n, d in params.items()]
    parsed = parse_equations(lines, {t.name: t for t in tensors})
    return Program("known", (*tensors, *parsed.tensors), parsed.equations, ("loss",), "float64")
