"""Picture in, `Result` out, without torch: image -> quality -> preprocess -> network -> calibrate -> explain."""
