// Package show prints inventories and findings as tables for people.
package show
