// Package enemy holds the random enemy: a test that moves random schemas under random
// traffic and random kills through the seed, the links, a verify, a cutover and a rollback,
// and compares both sides after each stage by means of its own. It has no product code.
//
// A round is drawn from one number, which the test prints: MIGRATE_ENEMY_SEED=N replays it
// (the clients' statements are the same; how they interleave is not), MIGRATE_ENEMY_ROUNDS
// is the number of rounds on each flavor. A round that fails keeps the log of its
// statements in a file.
//
// What a round may do is in the table of features. A refusal of migrate is a legitimate
// answer only where the table of refusals has it for a feature that the round has used. The
// enemy then removes the cause and the same command must go on.
package enemy
