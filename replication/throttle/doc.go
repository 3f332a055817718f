// Package throttle slows a seed down so that the source can still do its work. A
// seed waits for its rate in bytes a second, while the source runs too many
// threads, while a replica of the source lags, and while an operator has paused it.
//
// A Throttle holds the limits, which may change while the seed runs. A SourceWatch
// polls the source and its replicas for the Throttle. Nothing here writes to a server.
package throttle
