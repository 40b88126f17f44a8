"""What is likely a mistake in a model that compiles: findings from its equations, each with a place and a remedy."""
