// Package preflight inspects a pair before anything is changed. Each hazard of
// docs/hazards.md is a check; a finding has a severity, what was found, and the exact
// fix. It needs migrate's logins on the servers, and reaches their hosts where it can. It
// only reads: definitions, settings and statistics, never rows. From each host it also
// connects to the other side's server, up to the login.
package preflight
