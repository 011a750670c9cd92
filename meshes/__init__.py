"""Bodies and mesh files, as hexahedra with named surfaces and regions."""
