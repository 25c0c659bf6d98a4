"""Figures once more from what a grade kept: scored, judged, graded again, verified. Nothing is run."""
