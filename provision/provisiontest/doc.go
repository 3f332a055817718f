// Package provisiontest is the fixture that the tests of provision and its rooms
// share: a site (Site), the vendor's simulator with our client (NewVendor), hosts
// with a real sshd (StartSandbox, NewHosts), keys, and a step applied as the runner
// applies it (Apply). Sandboxes need root on Linux; RequireSandbox says what else.
package provisiontest
