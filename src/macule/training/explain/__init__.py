"""Explanations for research: other methods beside the graph's own map, and what each is worth. The extra `explain`.

`randomisation` alone needs only onnx. No module here imports torch before it is used.
"""
