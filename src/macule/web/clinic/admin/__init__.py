"""Rooms of the administrators."""
