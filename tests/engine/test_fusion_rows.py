"""A fused softmax kernel is the formulas themselves: CUDA's text, run by threads that the processor plays one after another."""

from __future__ import annotations

import ctypes
import functools
import itertools
import platform
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import focal_ref as fr
from focal_ref import conformance
from focal_ref.conformance import ulp
from focal_ref.engine import arrays, cuda_launch, run
from focal_ref.engine.arrays import Varying
from focal_ref.engine.cuda_rows import rows_kernel, threads
from focal_ref.engine.numpy_blocks import CLASSES, ROW
from focal_ref.engine.row_symbols import EACH, EACH_CLASS, EACH_ROW, NUMBER, ONE, Cell
from focal_ref.family import Focal
from focal_ref.libraries import backends
