"""A native window that shows a live picture."""
