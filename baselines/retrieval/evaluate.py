#!/usr/bin/env python3
"""Answers the grader with this folder's predictor."""

from predictor import Predictor

from wmc_guest import serve

serve(Predictor)
