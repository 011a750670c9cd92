"""Times, rates, memory, iterations and counts, measured; results/ keeps them."""
