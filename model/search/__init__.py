"""Beam search over numbers: requests, hypotheses, constraints, sampling."""
