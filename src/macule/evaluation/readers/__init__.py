"""Reader studies: people's readings of pictures, without and with the model's advice, beside the model itself."""
