"""emit/gemms: the text of the matrix products that a module carries: ``_gemm_nt``, ``_gemm_nn``, ``_gemm_tn``."""

from __future__ import annotations

TEXTS = {
    "NT": '''
@kernel
def _gemm_nt(a, b, c, scale):
    """c = scale*(a @ b.T)."""
    for i in range(c.shape[0]):
        for j in range(c.shape[1]):
            acc = scale*0
            for k in range(a.shape[1]):
                acc += a[i, k]*b[j, k]
            c[i, j] = scale*acc
''',
    "NN": '''
@kernel
def _gemm_nn(a, b, c, scale):
    """c = scale*(a @ b)."""
    for i in range(c.shape[0]):
        c[i, :] = 0
        for k in range(a.shape[1]):
            s = scale*a[i, k]
            for j in range(c.shape[1]):
                c[i, j] += s*b[k, j]
''',
    "TN": '''
@kernel
def _gemm_tn(a, b, c, scale):
    """c = scale*(a.T @ b)."""
    c[:] = 0
    for k in range(a.shape[0]):
        for i in range(c.shape[0]):
            s = scale*a[k, i]
            for j in range(c.shape[1]):
                c[i, j] += s*b[k, j]
''',
}


def gemm_text(forms: frozenset[str]) -> str:
    """The products of these forms, as the module prints them."""
    return "\n\n".join(TEXTS[form].strip("\n") for form in ("NT", "NN", "TN") if form in forms)
