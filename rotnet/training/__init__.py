"""Teaching networks, on any backend of Keras: examples, layers, metrics, recipes."""
