package replication

// mostRepairs bounds the rows that one pass repairs.
const mostRepairs = 10_000
