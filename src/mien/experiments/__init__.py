"""Many trainings that answer one question: searches for the best settings, and ablations."""
