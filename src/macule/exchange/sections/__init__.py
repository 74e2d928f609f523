"""The sections of an evaluation report: each turns its part of the JSON into blocks."""
