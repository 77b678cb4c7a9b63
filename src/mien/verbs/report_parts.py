"""The sections of a report that need more than one prediction table: comparison, errors, explanations."""
