"""algebra/laws: the tables of directed rules.  Each row states its identity, which a test checks numerically.

``STABLE`` rows keep the value and remove overflow and cancellation; ``TIDY`` rows shorten and never undo a stable row;
``SHORT`` rows come last.  u, v, w, z stand for any expression, c for a number between 0 and 1.
"""

from __future__ import annotations

import sympy
from sympy import Add, Mul, Pow, log

from nablac.algebra.laws import conditions, exponentials, fractions, logarithms, shapes
from nablac.algebra.rewrite import Law
from nablac.ir.functions import Where, log1p

STABLE: tuple[Law, ...] = (
    Law("own kinks", "sqrt(u**2) = abs(u)", (sympy.Abs, sympy.sign), shapes.own_kinks),
    Law("common number", "1/(2*exp(u) + 2*v) = 1/2/(exp(u) + v)", (Pow,), exponentials.primitive_base),
    Law("hyperbolic", "exp(u) + exp(-u) = 2*cosh(u)", (Add,), exponentials.hyperbolic, opens=True),
    Law("expm1", "exp(u) - 1 = expm1(u)", (Add,), exponentials.exp_minus_one, opens=True),
    Law("bias correction", "1 - c**u = -expm1(u*log(c))", (Add,), exponentials.one_minus_power),
    Law("reflected sigmoid", "1 - sigmoid(u) = sigmoid(-u)", (Add,), exponentials.one_minus_sigmoid),
    Law("tanh from sigmoid", "2*sigmoid(2*u) - 1 = tanh(u)", (Add,), exponentials.tanh_from_sigmoid, opens=True),
    Law("tanh from sigmoids", "sigmoid(u) - sigmoid(-u) = tanh(u/2)", (Add,), exponentials.tanh_from_sigmoids),
    Law("sigmoid from tanh", "1 + tanh(u) = 2*sigmoid(2*u)", (Add,), exponentials.one_plus_tanh, opens=True),
    Law("half angle", "1 - cos(u) = 2*sin(u/2)**2", (Add,), exponentials.one_minus_cosine),
    Law("softplus difference", "softplus(u) - softplus(-u) = u", (Add,), exponentials.softplus_difference, opens=True),
    Law("softplus by parts", "relu(u) + softplus(-abs(u)) = softplus(u)", (Add,), exponentials.softplus_from_parts),
    Law("sigmoid", "1/(1 + exp(-u)) = sigmoid(u)", (Pow,), exponentials.sigmoid_from_power, opens=True),
    Law(
        "two-way softmax", "1/(exp(u) + exp(v)) = sigmoid(u - v)*exp(-u)", (Pow,), exponentials.exp_over_sum, opens=True
    ),
    Law(
        "softmax of terms",
        "1/(exp(u) + exp(v) + exp(w)) = exp(-softplus(w - u - softplus(v - u)) - softplus(v - u) - u)",
        (Pow,),
        exponentials.power_of_sum,
        opens=True,
    ),
    Law("power of sigmoid", "sqrt(sigmoid(u)) = exp(-softplus(-u)/2)", (Pow,), exponentials.power_of_sigmoid),
    Law("one exponential", "exp(u)*exp(v) = exp(u + v)", (Mul,), exponentials.one_exponential, opens=True),
    Law("exponential into sigmoid", "exp(u)*sigmoid(-u) = sigmoid(u)", (Mul,), exponentials.fold_exp_sigmoid),
    Law("sigmoid from cosh", "exp(u)/cosh(u) = 2*sigmoid(2*u)", (Mul,), exponentials.exp_over_cosh, opens=True),
    Law("tanh", "sinh(u)/cosh(u) = tanh(u)", (Mul,), exponentials.tanh_from_product, opens=True),
    Law("exprel", "expm1(u)/u = exprel(u)", (Mul,), exponentials.fold_exprel, opens=True),
    Law("log of sum", "log(exp(u) + exp(v)) = u + softplus(v - u)", (log,), logarithms.log_of_sum, opens=True),
    Law("log of known", "log(sigmoid(u)) = -softplus(-u)", (log,), logarithms.log_of_known, opens=True),
    Law(
        "log of twice sigmoid",
        "log(2*sigmoid(2*u)) = u - logcosh(u)",
        (log,),
        logarithms.log_of_twice_sigmoid,
        opens=True,
    ),
    Law("log of product", "log(exp(u)*v) = u + log(v)", (log,), logarithms.log_of_product, opens=True),
    Law("log of number times", "log(3*cosh(u)) = log(3) + log(cosh(u))", (log,), logarithms.log_of_number_times),
    Law("log of choice", "log(where(u > v, exp(w), z)) = where(u > v, w, log(z))", (log,), logarithms.log_of_choice),
    Law(
        "log of squared sech",
        "log(1 - tanh(u)**2) = -2*logcosh(u)",
        (log,),
        logarithms.log_of_squared_sech,
        opens=True,
    ),
    Law("inverse hyperbolic", "log(u + sqrt(u**2 + 1)) = asinh(u)", (log,), logarithms.inverse_hyperbolic, opens=True),
    Law("log1p", "log(1 + v) = log1p(v)", (log,), logarithms.log_one_plus, opens=True),
    Law(
        "log1p of sigmoid", "log1p(-sigmoid(u)) = -softplus(u)", (log1p,), logarithms.log1p_of_minus_sigmoid, opens=True
    ),
    Law("softplus", "log1p(exp(u)) = softplus(u)", (log1p,), logarithms.log1p_of_exp, opens=True),
)

TIDY: tuple[Law, ...] = (
    Law(
        "extremum compared",
        "where(max(u, 3) <= 4, v, w) = where(u <= 4, v, w)",
        conditions.ORDERS,
        conditions.extremum_compared,
    ),
    Law(
        "like terms compared",
        "where(u - v >= v - u, w, z) = where(u >= v, w, z)",
        conditions.ORDERS,
        conditions.like_terms,
    ),
    Law("nested choice", "where(u > 0, where(u > 0, u, v), w) = where(u > 0, u, w)", (Where,), shapes.same_condition),
    Law(
        "nested conditions",
        "where(u > v, where(u < w, z, 0), 0) = where(u > v and u < w, z, 0)",
        (Where,),
        conditions.nested_conditions,
    ),
    Law("choice of", "where(u > 0, u, 0) = relu(u)", (Where,), shapes.where_is_known),
    Law("factor into choice", "u*where(v > 0, w, 0) = where(v > 0, u*w, 0)", (Mul,), shapes.merge_where),
    Law("number into choice", "2*where(u > v, w, 3*z) = where(u > v, 2*w, 6*z)", (Mul,), conditions.number_into_choice),
    Law(
        "sum of choices",
        "where(u > 0, v, w) + where(u > 0, z, 1) = where(u > 0, v + z, w + 1)",
        (Add,),
        shapes.add_where,
    ),
    Law("absolute", "u*sign(u) = abs(u)", (Mul,), shapes.absolute_from_sign),
    Law("common denominator", "1/(1 + u) - u/(1 + u)**2 = 1/(1 + u)**2", (Add,), fractions.common_denominator),
    Law("sign into sum", "-z*(u - v - w) = z*(v + w - u)", (Mul,), shapes.sign_into_sum),
    Law("number out of sum", "w*(2*u - 2*v) = 2*w*(u - v)", (Mul,), shapes.number_out_of_sum),
    Law("common factor", "u*v + u*w = u*(v + w)", (Add,), shapes.common_factor),
)

SHORT: tuple[Law, ...] = (
    Law(
        "both sigmoids", "sigmoid(u)*sigmoid(-u) = sigmoid(u)*(1 - sigmoid(u))", (Add, Mul), exponentials.both_sigmoids
    ),
    Law("choice of factor", "where(u > 0, relu(u)*v, 0) = relu(u)*v", (Where,), conditions.choice_of_factor),
    Law("products out", "u*(1 - v) - v*(1 - u) = u - v", (Add,), fractions.products_out),
    Law("clip", "where(abs(u) <= 2, u, 2*sign(u)) = max(min(u, 2), -2)", (Where,), conditions.clipped),
)
"""Rows for the last round only: they shorten at the price of what the stable laws keep."""

ALL = STABLE + TIDY
