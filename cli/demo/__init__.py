"""`tally demo`: four firms, four nodes, the whole job, told as a story while it happens."""
