"""Contracts, pure: the language, its checker and evaluator, documents and agreements."""
