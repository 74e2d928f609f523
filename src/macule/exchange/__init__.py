"""Results going out, in forms that others read."""
