"""Small models for the rules: sound ones, on which nothing may be found, each a spec's body without its name."""

from __future__ import annotations

from nablac.frontend.spec import model_of_spec
from nablac.lint.finding import Finding
from nablac.lint.rules import lint
from nablac.pipeline import compile_model


def findings(body: str) -> list[Finding]:
    """What lint finds in a spec's body."""
    return list(lint(compile_model(model_of_spec(f"model: small\n{body}", "small.yaml"))))


REGRESSION = 'inputs: {x: "real[n, 6]", y: "real[n]"}\n'
CLASSES = 'inputs: {x: "real[n, 6]", y: "label[n, 4]"}\n'
YES_NO = 'inputs: {x: "real[n, 6]", y: "real[n, 1]"}\n'
SEQUENCE = 'inputs: {x: "real[n, 7, 8]", y: "label[n, 4]"}\n'

SOUND: dict[str, str] = {
    "linear regression": REGRESSION
    + """
params: {w: "real[6]", b: real}
equations:
  - p[i] = sum[k](w[k]*x[i,k]) + b
  - loss = mean[i]((p[i] - y[i])**2) + 0.01*sum[k](w[k]**2)
metrics: [rmse, r2]
""",
    "every activation": CLASSES
    + """
network: [linear: 8, relu, linear: 8, leaky_relu, linear: 8, elu, linear: 8, sigmoid, linear: 8, tanh, linear: 8,
          softplus, linear: 8, silu, linear: 8, gelu, linear: 8, softmax, linear: 4]
loss: cross_entropy
metrics: [accuracy]
""",
    "logistic regression on probabilities": YES_NO
    + """
network: [linear: 1, sigmoid]
loss: binary_cross_entropy
metrics: [accuracy]
""",
    "logistic regression on logits": YES_NO
    + """
network: [linear: 1]
loss: binary_cross_entropy_logits
""",
    "softmax written out": CLASSES
    + """
network: [linear: 4, softmax: {name: p}]
loss: mean[i](-log(p[i, y[i]]))
""",
    "cross-entropy with a hand-made shift": CLASSES
    + """
network: [linear: {units: 4, name: z}]
equations:
  - m[i] = max[c](z[i,c])
  - s[i] = sum[c](exp(z[i,c] - m[i]))
  - loss = mean[i](m[i] + log(s[i]) - z[i, y[i]])
outputs: z
""",
    "Poisson regression": REGRESSION
    + """
params: {w: "real[6]"}
equations:
  - r[i] = exp(sum[k](w[k]*x[i,k]))
  - loss = mean[i](r[i] - y[i]*log(r[i]))
""",
    "Gaussian likelihood": REGRESSION
    + """
params: {w: "real[6]", v: "real[6]"}
equations:
  - m[i] = sum[k](w[k]*x[i,k])
  - s[i] = log(1 + exp(sum[k](v[k]*x[i,k])))
  - loss = mean[i](log(s[i]) + (y[i] - m[i])**2/(2*s[i]**2))
""",
    "Huber": REGRESSION
    + """
params: {w: "real[6]"}
equations:
  - r[i] = y[i] - sum[k](w[k]*x[i,k])
  - loss = mean[i](where(abs(r[i]) < 1, r[i]**2/2, abs(r[i]) - 1/2))
""",
    "quantile": REGRESSION
    + """
params: {w: "real[6]"}
equations:
  - r[i] = y[i] - sum[k](w[k]*x[i,k])
  - loss = mean[i](max(0.9*r[i], -0.1*r[i]))
""",
    "redescending": REGRESSION
    + """
params: {w: "real[6]"}
equations:
  - r[i] = y[i] - sum[k](w[k]*x[i,k])
  - loss = mean[i](1 - exp(-r[i]**2)) + mean[i](tanh(r[i])**2) + mean[i](log(1 + r[i]**2))
""",
    "hinge over classes": CLASSES
    + """
network: [linear: {units: 4, name: z}]
loss: mean[i](max[c](where(c == y[i], 0, 1 + z[i,c] - z[i, y[i]])))
""",
    "layer norm": CLASSES
    + """
params: {g: "real[8] ~ ones", c: "real[8]"}
network: [linear: {units: 8, name: h}]
equations:
  - m[i] = mean[k](h[i,k])
  - v[i] = mean[k]((h[i,k] - m[i])**2)
  - u[i,k] = g[k]*(h[i,k] - m[i])/sqrt(v[i] + 1e-5) + c[k]
  - a[i,k] = relu(u[i,k])
  - z[i,c2] = sum[k](V[c2,k]*a[i,k])
  - loss = mean[i](-log(exp(z[i,y[i]])/sum[q](exp(z[i,q]))))
""".replace('c: "real[8]"}', 'c: "real[8]", V: "real[4, 8]"}'),
    "batch norm with its bias behind": REGRESSION
    + """
params: {W: "real[8, 6]", g: "real[8] ~ ones", b: "real[8]", v: "real[8]"}
equations:
  - h[i,j] = sum[k](W[j,k]*x[i,k])
  - m[j] = mean[i](h[i,j])
  - s[j] = mean[i](h[i,j]**2) - m[j]**2
  - u[i,j] = tanh(g[j]*(h[i,j] - m[j])/sqrt(max(s[j], 0) + 1e-5) + b[j])
  - loss = mean[i]((sum[j](v[j]*u[i,j]) - y[i])**2)
""",
    "attention": SEQUENCE
    + """
params: {Q: "real[8, 8]", K: "real[8, 8]", V: "real[8, 8]", O: "real[4, 8]", bq: "real[8]"}
equations:
  - q[i,t,e] = sum[d](Q[e,d]*x[i,t,d]) + bq[e]
  - k[i,t,e] = sum[d](K[e,d]*x[i,t,d])
  - v[i,t,e] = sum[d](V[e,d]*x[i,t,d])
  - s[i,t,r] = sum[e](q[i,t,e]*k[i,r,e])/sqrt(8)
  - a[i,t,r] = exp(s[i,t,r])/sum[r2](exp(s[i,t,r2]))
  - h[i,t,e] = sum[r](a[i,t,r]*v[i,r,e])
  - z[i,c] = sum[e](O[c,e]*mean[t](h[i,t,e]))
  - loss = mean[i](-log(exp(z[i,y[i]])/sum[c](exp(z[i,c]))))
""",
    "gates": REGRESSION
    + """
params: {v: "real[8]"}
network:
  - linear: {units: 8, name: a, from: x}
  - sigmoid: {name: g}
  - linear: {units: 8, name: b, from: x}
  - tanh: {name: t}
equations:
  - h[i,j] = g[i,j]*t[i,j] + (1 - g[i,j])*x[i,0]
  - p[i] = sum[j](v[j]*h[i,j])
loss: mean[i]((p[i] - y[i])**2)
outputs: p
""",
    "mixture of experts": REGRESSION
    + """
params: {W: "real[3, 6]", G: "real[3, 6]"}
equations:
  - f[i,e] = sum[k](W[e,k]*x[i,k])
  - g[i,e] = sum[k](G[e,k]*x[i,k])
  - p[i] = sum[e](f[i,e]*exp(g[i,e])/sum[e2](exp(g[i,e2])))
  - loss = mean[i]((p[i] - y[i])**2)
""",
    "convolution": """
inputs: {image: "real[n, 2, 9]", y: "label[n, 3]"}
params: {kernel: "real[5, 2, 3]", b: "real[5]", V: "real[3, 5]"}
equations:
  - c[i,o,p] = relu(sum[q,u](kernel[o,q,u]*image[i,q,p + u]) + b[o])
  - m[i,o] = max[p](c[i,o,p])
  - z[i,k] = sum[o](V[k,o]*m[i,o])
  - loss = mean[i](-log(exp(z[i,y[i]])/sum[k](exp(z[i,k]))))
""",
    "matrix factors": """
inputs: {u: "label[n, 50]", v: "label[n, 40]", r: "real[n]"}
params: {A: "real[50, 3] ~ normal(0, 0.1)", B: "real[40, 3] ~ normal(0, 0.1)", mean_r: real}
equations:
  - p[i] = mean_r + sum[k](A[u[i],k]*B[v[i],k])
  - loss = mean[i]((p[i] - r[i])**2)
""",
    "radial basis": REGRESSION
    + """
params: {c: "real[5, 6] ~ normal(0, 1)", s: "real[5]", w: "real[5]"}
equations:
  - d[i,j] = sum[k]((x[i,k] - c[j,k])**2)
  - p[i] = sum[j](w[j]*exp(-d[i,j]*exp(s[j])))
  - loss = mean[i]((p[i] - y[i])**2)
""",
    "distances kept from 0": REGRESSION
    + """
params: {c: "real[6]", w: real}
equations:
  - d[i] = sqrt(sum[k]((x[i,k] - c[k])**2) + 1e-12)
  - loss = mean[i]((w*d[i]/(1 + abs(d[i])) - y[i])**2/(x[i,0]**2 + 1))
""",
    "guarded": REGRESSION
    + """
params: {w: "real[6]", t: "real ~ ones"}
equations:
  - p[i] = sum[k](w[k]*x[i,k])
  - a[i] = where(p[i] > 0, log(p[i]), 0) + where(not p[i] <= 1, sqrt(p[i] - 1), 0)
  - b[i] = where(abs(x[i,0]) > 1/2, 1/x[i,0], 2) + where(p[i] != 0, exp(-p[i]**2)/p[i], 0)
  - c[i] = where(2*p[i] - 3 >= 1 and p[i] < 9, p[i]**0.5, p[i]) + 1/max(t, 1e-3) + log(clamp(p[i], 0.1, 5))
  - loss = mean[i]((a[i] + b[i] + c[i] - y[i])**2)
""",
    "contrastive": """
inputs: {a: "real[n, 6]", b: "real[n, 6]"}
params: {W: "real[3, 6] ~ normal(0, 1)", t: "real ~ constant(1)"}
equations:
  - u[i,j] = sum[k](W[j,k]*a[i,k])
  - v[i,j] = sum[k](W[j,k]*b[i,k])
  - s[i,r] = exp(t)*sum[j](u[i,j]*v[r,j])
  - loss = mean[i](-log(exp(s[i,i])/sum[r](exp(s[i,r]))))
""",
    "ranking": """
inputs: {a: "real[n, 6]", b: "real[n, 6]"}
params: {w: "real[6]"}
equations:
  - s[i] = sum[k](w[k]*a[i,k]) - sum[k](w[k]*b[i,k])
  - loss = mean[i](-log(1/(1 + exp(-s[i]))))
""",
    "expected reward": CLASSES
    + """
network: [linear: 4, softmax: {name: p}]
loss: -mean[i](p[i, y[i]])
""",
    "several kinks": REGRESSION
    + """
params: {w: "real[6]", a: "real ~ constant(0.2)"}
equations:
  - z[i] = sum[k](w[k]*x[i,k])
  - u[i] = relu(z[i]) + relu(-z[i]) + abs(z[i]) + max(z[i], -z[i]) + where(z[i] > 0, z[i], a*z[i])
  - c[i] = clamp(z[i], -1, 1) + relu(z[i])**2 + min(relu(z[i]), 6)
  - loss = mean[i](abs(u[i] + c[i] - y[i]))
""",
    "residual blocks": CLASSES
    + """
network:
  - linear: {units: 8, name: h0}
  - relu
  - linear: 8
  - add: {name: h1, from: [linear_1, h0]}
  - relu
  - linear: 8
  - add: {name: h2, from: [linear_2, h1]}
  - relu
  - linear: 4
loss: cross_entropy
""",
    "sine layers": REGRESSION
    + """
params: {W: "real[8, 6]", v: "real[8]"}
equations:
  - p[i] = sum[j](v[j]*sin(30*sum[k](W[j,k]*x[i,k])))
  - loss = mean[i]((p[i] - y[i])**2)
""",
    "low rank in one equation": REGRESSION
    + """
params: {A: "real[300, 200]", B: "real[200, 6]", v: "real[300]"}
equations:
  - p[i] = sum[o,r,k](v[o]*A[o,r]*B[r,k]*x[i,k])
  - loss = mean[i]((p[i] - y[i])**2)
""",
    "a circuit": """
params: {x: real ~ constant(2), y: real ~ constant(3)}
equations: ["f = x*y + 1/(1 + exp(-(x + y)))"]
loss: f
""",
    "KL with a log-softmax": """
inputs: {x: "real[n, 6]", t: "real[n, 4]"}
network: [linear: 4, log_softmax: {name: l}]
loss: mean[i](-sum[c](t[i,c]*l[i,c]))
""",
    "entropy of a softmax": CLASSES
    + """
network: [linear: 4, softmax: {name: p}]
loss: mean[i](-log(p[i, y[i]])) + 0.1*mean[i](sum[c](p[i,c]*log(p[i,c])))
""",
}
