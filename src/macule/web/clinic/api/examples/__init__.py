"""Examples of the documentation page; a test runs each of them."""
