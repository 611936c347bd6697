"""Oracle: focal loss by mpmath, from the definition, to any number of digits: what everything else is judged by.

It starts from L = −α (1 − p_t)^γ log p_t and from Lin et al.'s appendix B, in p_t, by the product rule and term by term, and
shares no formula with the fast code; a complement 1 − p is the sum of the other classes' probabilities here too.

Every result has `digits` correct digits, whatever the logits. It is evaluated to `focal_ref.oracle.digits.GUARD` digits more,
and as many more as γ has. Only a sum whose terms differ in sign can lose digits. Each such sum is compared with the sum of its
terms' absolute values; where more digits cancelled than there were to spare, all is evaluated anew at twice the precision, and
so on. What is still nothing beside its terms after 400 digits is a true zero. Exponentials below exp(−10¹²) are 0.

>>> from focal_ref import oracle
>>> import mpmath
>>> mpmath.nstr(oracle.sigmoid(0, 1, 2).value, 20)
'0.17328679513998632735'
"""

from __future__ import annotations

from .definition import Result, RowResult, sigmoid, softmax
from .generic import MemberResult, MemberRowResult, member
from .many import member_many, sigmoid_many, softmax_many
from .probability import probability

__all__ = [
    "MemberResult",
    "MemberRowResult",
    "Result",
    "RowResult",
    "member",
    "member_many",
    "probability",
    "sigmoid",
    "sigmoid_many",
    "softmax",
    "softmax_many",
]
