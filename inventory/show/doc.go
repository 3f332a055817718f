// Package show prints inventories and findings as tables for people. It needs only
// what it prints, and promises that text from a host cannot control the terminal.
package show
