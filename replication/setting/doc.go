// Package setting changes what a server is set to for the move, keeps what it was
// before, and puts it back: variables, values that survive a restart, option
// files. ConfigureSource and ConfigureTarget are its steps.
package setting
