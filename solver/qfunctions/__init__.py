"""C sources of the QFunctions that do not depend on the material."""
