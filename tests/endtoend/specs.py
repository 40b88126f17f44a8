"""Specs of every kind, as a user writes them from the page on specs, and sizes of the data they take."""

from __future__ import annotations

SPECS: dict[str, str] = {
    "deep_chain": """
inputs: {x: "real[n, 7]", y: "label[n, 5]"}
network: [{linear: 9}, relu, {linear: 8}, tanh, {linear: 7}, sigmoid, {linear: 9}, gelu, {linear: 6}, silu, {linear: 5}]
loss: cross_entropy
metrics: [accuracy]
optimizer: {sgd: 0.3}
""",
    "wide": """
inputs: {x: "real[n, 3]", y: "real[n, 2]"}
network:
  - linear: {units: 200, W: he_normal, b: "uniform(-0.1, 0.1)"}
  - leaky_relu: {alpha: 0.2}
  - linear: {units: 2, bias: false}
loss: mse
metrics: [rmse, mae]
optimizer: {adam: {lr: 0.003, beta1: 0.8, beta2: 0.95, eps: 1e-6, weight_decay: 0.01}}
""",
    "skips": """
inputs: {x: "real[n, 4]", y: "label[n, 3]"}
network:
  - linear: {units: 6, name: enter}
  - tanh: {name: h0}
  - linear: 6
  - elu: 1.5
  - add: h0
  - name: h1
    softplus: {}
  - linear: {units: 6, from: h0}
  - mul: h1
  - sub: [mul_1, enter]
  - linear: {units: 3, name: logits}
loss: {cross_entropy: [logits, y]}
optimizer: {nesterov: {lr: 0.05, momentum: 0.8, weight_decay: 0.001}}
""",
    "two_inputs_two_outputs": """
inputs: {left: "real[n, 3]", right: "real[n, 5]", target: "real[n, 2]", kind: "label[n, 4]"}
network:
  - linear: {units: 6, from: left, name: a}
  - linear: {units: 6, from: right, name: b}
  - add: [a, b]
  - tanh: {name: h}
  - linear: {units: 2, name: p}
  - linear: {units: 4, name: logits, from: h}
outputs: {value: p, kinds: logits}
equations:
  - loss = mean[i, j]((p[i,j] - target[i,j])**2) + 0.5*ce
  - ce = mean[i](log(sum[c](exp(logits[i,c]))) - logits[i, kind[i]])
metrics: [{ce: ce}, {error: {rmse: [p, target]}}]
optimizer: {momentum: {lr: 0.02}}
""",
    "shared": """
inputs: {left: "real[n, 5]", right: "real[n, 5]", y: "real[n]"}
network:
  - linear: {units: 4, name: encoder, from: left}
  - tanh: {name: u}
  - share: encoder
    from: right
    name: v0
  - tanh: {name: v}
  - mul: [u, v]
  - linear: {units: 1, name: s}
equations:
  - p[i] = sigmoid(s[i,0])
loss: {binary_cross_entropy: [p, y]}
metrics: [{right: {accuracy: [p, y]}}]
optimizer: {adam: {lr: 0.01}}
""",
    "own_layer": """
inputs: {x: "real[n, 4]", y: "label[n, 3]"}
layers:
  bilinear:
    reads: {a: "real[..., k]", b: "real[..., m]"}
    options: {units: int, scale: 1.0}
    params: {W: "real[units, k, m] ~ glorot_uniform"}
    equations:
      - y[..., u] = scale*sum[i, j](W[u, i, j]*a[..., i]*b[..., j])
    gives: y
  layer_norm:
    reads: {x: "real[..., k]"}
    options: {eps: 1e-5}
    params: {g: "real[k] ~ ones", b: "real[k]"}
    equations:
      - m[...] = mean[i](x[..., i])
      - v[...] = mean[i]((x[..., i] - m[...])**2)
      - y[..., j] = g[j]*(x[..., j] - m[...])/sqrt(v[...] + eps) + b[j]
network:
  - linear: {units: 6, name: h}
  - layer_norm
  - tanh
  - bilinear: {units: 3, from: [h, tanh_1], scale: 0.5}
loss: cross_entropy
optimizer: {sgd: {lr: 0.05, weight_decay: 0.01}}
""",
    "own_loss_and_metric": """
inputs: {x: "real[n, 4]", y: "label[n, 3]"}
layers:
  margin:
    reads: {z: "real[..., C]", y: "label[..., C]"}
    options: {width: 1.0}
    equations:
      - m[...] = max[c](where(c == y[...], 0, width + z[..., c] - z[..., y[...]]))
      - loss = mean[...](m[...])
network: [{linear: 8}, tanh, {linear: {units: 3, name: z}}]
loss: {margin: {from: [z, y], width: 2.0}}
metrics: [accuracy, {ce: {cross_entropy: [z, y]}}, {top: "mean[i](max[c](z[i, c]))"}]
optimizer: {sgd: 0.05}
""",
    "own_optimizer": """
inputs: {x: "real[n, 4]", y: "real[n, 1]"}
network: [{linear: 5}, tanh, {linear: 1}]
loss: mse
optimizer:
  name: rms
  lr: 0.01
  state: [s, v]
  schedule: lr0*(1 + cos(pi*epoch/epochs))/2
  equations:
    - s_next[p] = 0.99*s[p] + 0.01*g[p]**2
    - v_next[p] = 0.9*v[p] + g[p]/(sqrt(s_next[p]) + 1e-8)
    - theta_next[p] = theta[p] - lr*v_next[p]
""",
    "own_functions": """
inputs: {x: "real[n, 4]", y: "label[n, 3]"}
params: {beta: real ~ ones, shift: "real ~ constant(0.3)"}
functions:
  - swish(z) = z*sigmoid(beta*z)
  - bent(z) = (sqrt(z**2 + 1) - 1)/2 + z + shift
network: [{linear: 6}, swish, {linear: 5}, bent, {linear: 3}]
loss: cross_entropy
optimizer: {adam: {lr: 0.01}}
""",
    "equations_only": """
inputs: {x: "real[n, 6]", y: "real[n]"}
params: {w: "real[6] ~ normal(0, 0.5)", b: real, s: "real ~ constant(0.5)"}
equations: |
  p[i] = sum[k](w[k]*x[i,k]) + b
  r[i] = (y[i] - p[i])/s
  loss = mean[i](where(abs(r[i]) < 1, r[i]**2/2, abs(r[i]) - 1/2)) + 0.1*s**2 + 0.01*sum[k](abs(w[k]))
optimizer: {sgd: 0.05}
""",
    "mixed": """
inputs: {x: "real[n, 5]", y: "real[n]"}
params: {c: "real[3] ~ normal(0, 1)"}
equations:
  - basis[i, k] = exp(-(x[i, k] - c[k])**2) for k in 3
  - p[i] = out[i, 0]*tanh(c[0]) + mean[k](basis[i, k])
network:
  - linear: {units: 4, from: basis}
  - tanh
  - linear: {units: 1, name: out}
loss: {mse: [p, y]}
outputs: p
optimizer: {momentum: {lr: 0.05, momentum: 0.5}}
""",
    "binary_logits": """
inputs: {x: "real[n, 4]", y: "real[n, 1]"}
network: [{linear: 6}, relu, {linear: 1}]
loss: binary_cross_entropy_logits
optimizer: {sgd: 0.2}
""",
    "binary_probabilities": """
inputs: {x: "real[n, 4]", y: "label[n, 2]"}
network: [{linear: 6}, softplus, {linear: {units: 1, name: z}}, sigmoid]
equations: ["p[i] = sigmoid_1[i, 0]"]
loss: {binary_cross_entropy: [p, y]}
metrics: [{hit: {accuracy: {from: [p, y], threshold: 0.4}}}]
optimizer: {adam: {lr: 0.01}}
""",
    "multi_label": """
inputs: {x: "real[n, 4]", y: "int[n, 3]"}
network: [{linear: 6}, silu, {linear: 3}]
loss: binary_cross_entropy_logits
metrics: [{hit: {accuracy: {from: [linear_2, y], threshold: 0.0}}}]
optimizer: {sgd: {lr: 0.1}, schedule: {step: {every: 10, gamma: 0.5}}}
""",
    "sequence": """
inputs: {x: "real[n, 6, 3]", y: "label[n, 6, 4]"}
network: [{linear: 5}, tanh, {softmax: {}}, {linear: 4}]
loss: cross_entropy
metrics: [accuracy]
optimizer: {sgd: 0.3}
""",
    "named_time": """
inputs: {x: "real[n, t, 3]", y: "real[n]"}
network: [{linear: 5}, {gelu: {name: h}}]
params: {w: "real[5]", q: "real[5] ~ normal(0, 1)"}
equations:
  - s[i, u] = sum[k](h[i, u, k]*q[k])
  - a[i, u] = exp(s[i, u])/sum[v](exp(s[i, v]))
  - c[i, k] = sum[u](a[i, u]*h[i, u, k])
  - p[i] = sum[k](c[i, k]*w[k])
loss: mean[i]((p[i] - y[i])**2)
outputs: [p, a]
optimizer: {adam: {lr: 0.02}}
""",
    "convolution": """
inputs: {x: "real[n, 2, 8]", y: "label[n, 3]"}
params: {K: "real[4, 2, 3] ~ glorot_uniform", k: "real[4]"}
equations:
  - h[i, o, p] = sum[c, u](K[o, c, u]*x[i, c, 2*p + u]) + k[o]
  - m[i, o] = max[p](h[i, o, p])
network: [{relu: {from: m}}, {linear: 3}]
loss: cross_entropy
optimizer: {sgd: 0.1}
""",
    "attention": """
inputs: {x: "real[n, 5, 4]", y: "real[n]"}
network:
  - linear: {units: 4, name: q, from: x, bias: false}
  - linear: {units: 4, name: k, from: x}
  - linear: {units: 4, name: v, from: x}
  - linear: {units: 1, name: out, from: o}
equations:
  - s[b, i, j] = sum[c](q[b, i, c]*k[b, j, c])/sqrt(4)
  - a[b, i, j] = exp(s[b, i, j])/sum[l](exp(s[b, i, l]))
  - o[b, c] = mean[i](sum[j](a[b, i, j]*v[b, j, c]))
  - p[b] = out[b, 0]
loss: {mse: [p, y]}
outputs: {answer: p}
optimizer: {momentum: {lr: 0.1, weight_decay: 0.001}}
""",
    "embedding": """
inputs: {word: "label[n, 7, 11]", y: "label[n, 3]"}
params: {E: "real[11, 4] ~ normal(0, 1)"}
equations:
  - e[i, d] = mean[t](E[word[i, t], d])
network: [{linear: {units: 5, from: e}}, tanh, {linear: 3}]
loss: cross_entropy
metrics: [accuracy]
optimizer: {adam: {lr: 0.05}}
""",
    "smoothed": """
inputs: {x: "real[n, 4]", y: "label[n, 3]"}
network: [{linear: 6}, tanh, {linear: {units: 3, name: z}}, {softmax: {name: p}}]
loss: -mean[i](9/10*log(p[i, y[i]]) + 1/10*mean[c](log(p[i, c])))
optimizer: {sgd: 0.1}
""",
    "scalars": """
inputs: {t: "real[n]", temperature: real, y: "real[n]"}
params: {a: "real ~ constant(1)", tau: "real ~ constant(2)", phase: real}
equations:
  - p[i] = a*exp(-t[i]**2/tau**2)*cos(3*t[i] + phase)*temperature
  - loss = mean[i](log(cosh(p[i] - y[i])))
optimizer: {adam: {lr: 0.05}}
""",
    "log_softmax": """
inputs: {x: "real[n, 4]", y: "label[n, 3]", w: "real[n]"}
network: [{linear: 6}, elu, {linear: 3}, {log_softmax: {name: l}}]
loss: sum[i](w[i]**2*-l[i, y[i]])/sum[i](w[i]**2)
outputs: l
optimizer: {sgd: 0.1}
""",
}


def spec(name: str, dtype: str = "float64") -> str:
    """The whole text."""
    return f"model: {name}\ndtype: {dtype}{SPECS[name]}"
