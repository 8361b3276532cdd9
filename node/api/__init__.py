"""The HTTP side of a node: a router per noun, errors of one shape, all behind the operator's token."""
