// Package cfsim simulates the parts of Cloudflare that a migration needs: the API v4
// for zones, DNS records, batches and cache purges, the edge that proxies HTTP to the
// address of a proxied record, and the authoritative DNS server.
//
// The API changes its records in transactions. The edge and the DNS server see each
// record's change after a delay of its own, because at Cloudflare, too, a batch is one
// transaction in the database but not on the network. The simulator can misbehave on
// demand (Fault), logs every API request (Requests), and listens on loopback and lab
// addresses only.
package cfsim
