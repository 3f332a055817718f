// Package setting changes a server's settings for the move and restores them: variables,
// values that survive a restart, option files. ConfigureSource and ConfigureTarget are
// its steps. It needs a login that may set global variables and, for MariaDB's option
// files, the server's host. Each step's before-image holds what its undo restores.
package setting
