"""Who takes part: organizations, keys, people and roles, network policy, the roster."""
