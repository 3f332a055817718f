// Package throttle holds a seed back: to a rate in bytes a second, while the source
// runs too many threads, and while one of the source's replicas lags. Limits may
// change while the seed runs.
package throttle
